import type { IommufdKernel } from '../../lib/kernel/iommufd.js';
import type { Fd, VfioKernel } from '../../lib/kernel/kernel.js';
import type { addon } from '../../lib/native/addon.js';

/** A group of the set-up, and its device that programs open. */
export interface WorldGroup {
  /** The file name under /dev/vfio. */
  readonly name: string;
  readonly device: string;
  /** The name of the device's own node below /dev/vfio/devices. */
  readonly cdev: string;
}

/** A second process. It holds a group open, which is all that one process sees of another. */
export interface OtherProcess {
  openGroup(name: string): Promise<Fd>;
  close(fd: Fd): Promise<void>;
}

/** One side of the comparison: a kernel, and a set-up that is equal on both sides. */
export interface World {
  readonly kernel: VfioKernel & IommufdKernel;
  readonly other: OtherProcess;
  readonly groups: readonly WorldGroup[];
  readonly addon: typeof addon;
}

/** The memory that programs map, in pages. Each program starts with the same content. */
export const ARENA_PAGES = 16;
export const PAGE = 4096;
/** A number that no descriptor has. */
export const CLOSED_FD = 9999;
