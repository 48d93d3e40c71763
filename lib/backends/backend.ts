import type { DeviceInfo, Fd, VfioKernel } from '../kernel/kernel.js';
import type { DmaTargetRegistry } from './dma-target.js';

/** A way to attach a device: by its IOMMU group and a container, or by its own node and an iommufd. */
export type BackendName = 'container' | 'iommufd';

/** All names of backends. */
export const BACKEND_NAMES: readonly BackendName[] = ['container', 'iommufd'];

/** One way to attach a device and its DMA space. The engine calls it. Thread: the one that made it. */
export interface Backend {
  readonly name: BackendName;
  /**
   * Attaches a device to a DMA space. If a step fails, everything is closed and the space is as it was.
   * @throws (rejects) a VfioError with the device's name
   */
  attach(request: AttachRequest): Promise<AttachedDevice>;
}

/** The device to attach, and the DMA space that it joins. */
export interface AttachRequest {
  /** The kernel's name of the device: a bdf or a UUID. */
  readonly name: string;
  /** The folder of the device under /sys. */
  readonly sysfsPath: string;
  readonly space: DmaTargetRegistry;
  /** Whether to reset the device if it supports that. A failure is only a warning. */
  readonly reset: boolean;
  /**
   * Called when the slow open of the device has started on the thread pool: for work that does not need the device. The auto
   * backend may call it once for each backend that it tries. It must not throw.
   */
  readonly onOpening?: () => void;
}

/** A device attached by a backend. */
export interface AttachedDevice {
  readonly backend: BackendName;
  readonly kernel: VfioKernel;
  readonly deviceFd: Fd;
  readonly info: DeviceInfo;
  /** The number of the IOMMU group; undefined if the backend does not use groups. */
  readonly groupId: string | undefined;
  /** Returns the open descriptor of a group; undefined if this backend has not opened it. Absent if it does not use groups. */
  readonly groupFd?: (groupId: string) => Fd | undefined;
  /** Whether memory can be mapped for the device; false without an IOMMU. */
  readonly hasDma: boolean;
  /**
   * Undoes the attach in reverse order. Every step runs, even if an earlier one fails.
   * @param onClosing called when the slow close of the device has started on the thread pool; it must not throw
   * @throws (rejects) the first error, with the further errors as its cause
   */
  detach(onClosing?: () => void): Promise<void>;
}
