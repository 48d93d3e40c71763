import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

import { threads } from './open-fds.js';

/** The resources of a process that a leak would add to. */
export interface Resources {
  readonly descriptors: number;
  /** Mappings of memfds and devices. The number of heap mappings changes by itself. */
  readonly mappings: number;
  /** Without the threads that make the kernel's calls: they are the process's, and those without work end after ten seconds. */
  readonly threads: number;
}

/** Counts them now. */
function countResources(): Resources {
  const maps = readFileSync('/proc/self/maps', 'latin1').split('\n');
  return {
    descriptors: openDescriptors().length,
    mappings: maps.filter((line) => /memfd:|\/dev\/vfio|anon_inode/.test(line)).length,
    threads: threads(),
  };
}

/** Lists the open descriptors, for the message of a failure. */
export function openDescriptors(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [`${fd} ${readlinkSync(`/proc/self/fd/${fd}`)}`];
    } catch (error) {
      // The descriptor that read the folder is closed by now.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  });
}

/**
 * Waits until the process holds no more resources than before, at most `timeoutMs`: libuv closes handles one turn later. It
 * can hold fewer, because the resources of an earlier test may have been collected meanwhile.
 * @throws AssertionError that lists the open descriptors
 */
export async function assertNothingLeft(before: Resources, what: string, timeoutMs = 3000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  let now = countResources();
  while (holdsMore(now, before) && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    now = countResources();
  }
  const counts = `${JSON.stringify(before)} before, ${JSON.stringify(now)} now`;
  assert.ok(!holdsMore(now, before), `${what} left resources behind: ${counts}: ${openDescriptors().join(', ')}`);
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
