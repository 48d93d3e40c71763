import assert from 'node:assert/strict';
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

/**
 * Waits until nothing more is held than before, at most `timeoutMs`: handles of libuv close a turn later. Less is no
 * leak: what a test before this one held may have been collected meanwhile.
 * @throws AssertionError that names what is open
 */
export async function assertNothingLeft(before: Resources, what: string, timeoutMs = 3000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  let now = countResources();
  while (holdsMore(now, before) && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    now = countResources();
  }
  const counts = `${JSON.stringify(before)} before, ${JSON.stringify(now)} now`;
  assert.ok(!holdsMore(now, before), `${what} left something: ${counts}: ${openDescriptors().join(', ')}`);
}

function holdsMore(now: Resources, before: Resources): boolean {
  return now.descriptors > before.descriptors || now.mappings > before.mappings || now.threads > before.threads;
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
