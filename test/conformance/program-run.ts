import type { Fd } from '../../lib/kernel/kernel.js';
import type { World } from './world.js';

/** The result of a call: its value, or the name of its errno. The value of a call that opens a file is `fd`. */
export type Outcome = { readonly value: unknown } | { readonly errno: string } | { readonly skipped: true };

/** The outcome of a call on an empty slot: the call is not made. */
export const SKIPPED: Outcome = { skipped: true };

/** The open descriptors of a running program, by slot. */
interface Slots {
  readonly containers: (Fd | undefined)[];
  readonly groups: (Fd | undefined)[];
  readonly groupsOfOther: (Fd | undefined)[];
  readonly devices: (Fd | undefined)[];
}

/** The state of a program that runs on one side. */
export interface ProgramRun {
  readonly world: World;
  readonly slots: Slots;
  readonly memory: Uint8Array<SharedArrayBuffer>;
  readonly eventfd: Fd;
}
