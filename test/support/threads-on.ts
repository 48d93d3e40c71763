import { readdirSync, readFileSync } from 'node:fs';

/** Counts the threads of this process that may run on this CPU alone. */
export function threadsOn(cpu: number): number {
  return readdirSync('/proc/self/task').filter((task) => {
    const status = readFileSync(`/proc/self/task/${task}/status`, 'latin1');
    return /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] === String(cpu);
  }).length;
}
