import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';

/** Counts the open descriptors of this process. */
export function openFds(): number {
  return readdirSync('/proc/self/fd').length;
}

/** Opens files until only `left` more can be opened. Set a small limit before. @returns their descriptors */
export function fillDescriptors(left: number): number[] {
  const fill: number[] = [];
  for (;;) {
    try {
      fill.push(openSync('/dev/null', 'r'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EMFILE') throw error;
      for (const fd of fill.splice(0, left)) closeSync(fd);
      return fill;
    }
  }
}

/**
 * Counts the threads of this process, without those that make the kernel's calls: they are the process's, and those
 * without work end after ten seconds.
 */
export function threads(): number {
  return threadNames().filter((name) => name !== 'vfio-call').length;
}

function threadNames(): string[] {
  return readdirSync('/proc/self/task').flatMap((id) => {
    try {
      return [readFileSync(`/proc/self/task/${id}/comm`, 'latin1').trim()];
    } catch {
      // The thread has ended by now.
      return [];
    }
  });
}

/** Counts the process's mappings of memfds: those of the tests and of the models. */
export function memfdMappings(): number {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => line.includes('/memfd:')).length;
}

/** Waits until a condition holds. @throws if it does not hold within 5 s */
export async function eventually(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`did not happen within 5 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
