import type { VfioError } from '../../base/errors.js';
import type { DeviceInfo, IoTarget, IrqInfo, IrqSet, MappingHandle, RegionInfo } from '../../kernel/kernel.js';

/** The driver behind a VFIO device. Its calls have the meaning of those of `VfioKernel`. Source: struct vfio_device_ops */
export interface VfioDriver {
  getInfo(argsz: number | undefined): DeviceInfo;
  getRegionInfo(regionIndex: number, argsz: number | undefined): RegionInfo;
  getIrqInfo(irqIndex: number, argsz: number | undefined): IrqInfo;
  setIrqs(set: IrqSet): Promise<void>;
  reset(): Promise<void>;
  read(fileOffset: bigint, length: number): Promise<Uint8Array>;
  write(fileOffset: bigint, data: Uint8Array): Promise<number>;
  map(fileOffset: bigint, length: number, prot: { readonly read: boolean; readonly write: boolean }): MappingHandle;
  restoreMapping(mapping: MappingHandle, fileOffset: bigint): Promise<void>;
  readonly ioTarget: IoTarget;
  watchRemoval(onGone: (reason: VfioError) => void): () => void;

  /** Tells whether the argument of VFIO_GROUP_GET_DEVICE_FD means this device. @throws ErrnoFailure */
  match(argument: string): boolean;
  /** Prepares the device for a user. Runs at the first open. */
  open(): Promise<void>;
  /** Takes the device back from its user. Runs at the last close. */
  close(): Promise<void>;
  /** Asks the user to close the device, which is about to be unregistered. */
  request(): void;
}
