/** Brings something up while something runs out, for every count of what is left. */
import { closeSync } from 'node:fs';

import { VfioError } from '../../lib/base/errors.js';
import { errnoNumber, isErrnoName } from '../../lib/uapi/errno.js';
import { FailingCalls, type FailingKind } from './failing-calls.js';
import { fillDescriptors } from './open-fds.js';
import { collectGarbage } from './own-memory.js';
import { assertNothingLeft, quietResources } from './resources.js';

/** How a subject ended while something ran out. */
export interface ExhaustionRound {
  /** How much was left. */
  readonly left: number;
  /** The call that was made to fail; empty if none was. */
  readonly failed: string;
  /** The code and the system call of the error; absent if the subject worked. */
  readonly error?: string;
}

/** Something to bring up. `bringUp` fails, or it works and closes what it opened. */
export type Subject = () => { readonly bringUp: () => Promise<void>; readonly close: () => Promise<void> };

/** Lets something run out when `left` more of it were taken. @returns a function that ends it and names what failed */
type Shortage = (left: number) => () => string;

const MOST_LEFT = 1000;

const SHORTAGES: Readonly<Record<string, () => Shortage>> = {
  descriptors: () => (left) => {
    const fill = fillDescriptors(left);
    return () => {
      for (const fd of fill) closeSync(fd);
      return '';
    };
  },
  calls: () => callsOf('resources'),
  allocations: () => callsOf('allocations'),
};

function callsOf(kind: FailingKind): Shortage {
  const failing = new FailingCalls();
  return (left) => {
    failing.arm(kind, left, errnoNumber('ENOMEM'));
    return () => failing.disarm();
  };
}

/**
 * Brings the subject up until nothing runs out any more. After each failure it is brought up again, which must work, and
 * nothing may be left open. Prints a line of JSON for each round.
 * @param what `descriptors`, in a process with a small limit, or `calls` or `allocations`, in one with fail-calls.cc
 * @param step the distance of the counts of what is left that are tried
 */
export async function sweep(subject: Subject, what: string, step = 1): Promise<void> {
  const shortage = SHORTAGES[what]?.() ?? ((): never => process.exit(2));
  for (let warm = 0; warm < 2; warm++) {
    const { bringUp, close } = subject();
    await bringUp();
    await close();
  }
  // What is not collected yet would hide a leak.
  await collectGarbage();
  const settled = await quietResources();
  for (let left = 0; left < MOST_LEFT; left += step) {
    const result = await round(subject, shortage, left);
    // The mapping of a region stays until its views are collected.
    await collectGarbage(1);
    await assertNothingLeft(settled, JSON.stringify(result));
    console.log(JSON.stringify(result));
    if (result.error === undefined && result.failed === '') break;
  }
}

async function round(subject: Subject, shortage: Shortage, left: number): Promise<ExhaustionRound> {
  const { bringUp, close } = subject();
  const end = shortage(left);
  const error = await bringUp().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  const failed = end();
  await bringUp();
  await close();
  if (error === undefined) return { left, failed };
  return { left, failed, error: told(error) };
}

/** Names the errno and the system call of an error; an error without an errno is told whole. */
function told(error: unknown): string {
  if (!(error instanceof VfioError)) return `not a VfioError: ${String(error)}`;
  const { code, syscall, message } = error;
  return isErrnoName(code) ? `${code}: ${syscall ?? message}` : `without an errno: ${message}`;
}
