import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** What a process holds that a leak would add to. */
export interface Resources {
  readonly descriptors: number;
  /** Mappings of memfds and devices; those of the heap come and go. */
  readonly mappings: number;
  readonly threads: number;
}

/** Counts them now. */
export function countResources(): Resources {
  const maps = readFileSync('/proc/self/maps', 'latin1').split('\n');
  return {
    descriptors: openDescriptors().length,
    mappings: maps.filter((line) => /memfd:|\/dev\/vfio|anon_inode/.test(line)).length,
    threads: readdirSync('/proc/self/task').length,
  };
}

/** Names what is open, for the message of a failure. */
export function openDescriptors(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [`${fd} ${readlinkSync(`/proc/self/fd/${fd}`)}`];
    } catch (error) {
      // The descriptor by which the folder was read.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  });
}

/** Waits until the counts are those, at most `timeoutMs`: handles of libuv close a turn later. @returns the last counts */
export async function settledResources(wanted: Resources, timeoutMs = 2000): Promise<Resources> {
  const deadline = Date.now() + timeoutMs;
  let counts = countResources();
  while (JSON.stringify(counts) !== JSON.stringify(wanted) && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    counts = countResources();
  }
  return counts;
}

/** Waits until the counts have not changed for 100 ms, at most `timeoutMs`. */
export async function quietResources(timeoutMs = 5000): Promise<Resources> {
  const deadline = Date.now() + timeoutMs;
  for (let counts = countResources(); ;) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const next = countResources();
    if (JSON.stringify(next) === JSON.stringify(counts) || Date.now() > deadline) return next;
    counts = next;
  }
}
