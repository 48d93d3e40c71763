import type { Fd, VfioKernel } from '../../lib/kernel/kernel.js';
import type { addon } from '../../lib/native/addon.js';

/** One group of the set-up with the device of it that programs open. */
export interface WorldGroup {
  /** As under /dev/vfio. */
  readonly name: string;
  readonly device: string;
}

/** A second process: all it does is hold a group open, which is what one process sees of another. */
export interface OtherProcess {
  openGroup(name: string): Promise<Fd>;
  close(fd: Fd): Promise<void>;
}

/** One side of the comparison: a kernel and a set-up that is equal on both sides. */
export interface World {
  readonly kernel: VfioKernel;
  readonly other: OtherProcess;
  readonly groups: readonly WorldGroup[];
  readonly addon: typeof addon;
}

/** The memory that a side's programs map, filled anew for each program. */
export const ARENA_PAGES = 16;
export const PAGE = 4096;
