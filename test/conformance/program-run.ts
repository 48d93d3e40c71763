import type { Fd } from '../../lib/kernel/kernel.js';
import { SLOTS } from './generate/arbitraries.js';
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
  readonly iommufds: (Fd | undefined)[];
}

/** The state of a program that runs on one side. */
export interface ProgramRun {
  readonly world: World;
  readonly slots: Slots;
  /** The ids of objects of iommufds that the program got, by kind, the oldest first. */
  readonly ids: Readonly<Record<'ioas' | 'hwpt' | 'device', number[]>>;
  /** The mappings that the program made in IOASes, the newest first. */
  readonly areas: { readonly ioasId: number; readonly iova: bigint; readonly size: bigint }[];
  readonly memory: Uint8Array<SharedArrayBuffer>;
  readonly eventfd: Fd;
}

/** Returns the descriptor in the slot of a container. A slot behind those of the containers is that of an iommufd. */
export function containerOf({ slots }: ProgramRun, slot: number): Fd | undefined {
  return slot < SLOTS.containers ? slots.containers[slot] : slots.iommufds[slot - SLOTS.containers];
}
