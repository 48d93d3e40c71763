import { readdirSync, readFileSync } from 'node:fs';

/** How many threads of this process are kept to one CPU. */
export function threadsOn(cpu: number): number {
  return readdirSync('/proc/self/task').filter((task) => {
    const status = readFileSync(`/proc/self/task/${task}/status`, 'latin1');
    return /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] === String(cpu);
  }).length;
}
