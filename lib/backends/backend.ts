import type { DeviceInfo, Fd, VfioKernel } from '../kernel/kernel.js';
import type { DmaTargetRegistry } from './dma-target.js';

/** A way to attach a device: by its IOMMU group and a container, or by its own node and an iommufd. */
export type BackendName = 'container' | 'iommufd';

/** All names of backends. */
export const BACKEND_NAMES: readonly BackendName[] = ['container', 'iommufd'];

/** What hides behind `Engine.attach`: one way of getting a device and an address space for its DMA. */
export interface Backend {
  readonly name: BackendName;
  /**
   * Attaches a device to an address space. Whatever fails, nothing stays open and the space is as it was.
   * @throws VfioError
   */
  attach(request: AttachRequest): Promise<AttachedDevice>;
}

/** What to attach, and where its DMA goes. */
export interface AttachRequest {
  /** What the kernel calls the device: a bdf or a UUID. */
  readonly name: string;
  /** Its folder under /sys. */
  readonly sysfsPath: string;
  readonly space: DmaTargetRegistry;
  /** Whether the device is reset when it can be; a failure is a warning. */
  readonly reset: boolean;
  /**
   * Called when a thread of the pool has begun to open the device, which takes its time: for what needs no device. It may
   * be called again by a further way of attaching, and throws nothing.
   */
  readonly meanwhile?: () => void;
}

/** A device attached by a backend. */
export interface AttachedDevice {
  readonly backend: BackendName;
  readonly kernel: VfioKernel;
  readonly deviceFd: Fd;
  readonly info: DeviceInfo;
  /** The IOMMU group's number; undefined where the backend has no groups. */
  readonly groupId: string | undefined;
  /** The open group of a number; undefined for one that this way of attaching does not hold. Absent without groups. */
  readonly groupFd?: (groupId: string) => Fd | undefined;
  /** Whether the device has an address space for DMA; without an IOMMU it has none. */
  readonly hasDma: boolean;
  /**
   * Gives all back in the reverse order, whatever fails.
   * @param meanwhile called when a thread of the pool has begun to close the device; it throws nothing
   * @throws the first error, the further ones as its cause
   */
  detach(meanwhile?: () => void): Promise<void>;
}
