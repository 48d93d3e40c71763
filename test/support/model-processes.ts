import { readdirSync, readFileSync } from 'node:fs';

/** Finds the child processes that host a model. */
export function modelProcesses(): number[] {
  const threads = readdirSync('/proc/self/task');
  const children = threads.flatMap((thread) => read(`/proc/self/task/${thread}/children`).split(' ').filter(Boolean));
  return children.map(Number).filter((pid) => read(`/proc/${pid}/cmdline`).includes('model-process'));
}

/** Reads a file of /proc; empty if its process or thread has ended. */
function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
