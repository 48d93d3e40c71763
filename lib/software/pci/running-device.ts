import type { VfioError } from '../../base/errors.js';
import type { DomainHandle } from '../../native/vfio-user.js';
import type {
  ConnectionHandle,
  DeviceInfo,
  Fd,
  IrqInfo,
  IrqSet,
  MappingHandle,
  RegionInfo,
} from '../../kernel/kernel.js';

/**
 * A running device, as the core's vfio-pci driver uses it: a model behind a vfio-user connection. Facts that do not
 * change are read once, at the start, so that the kernel's cheap queries answer without a message.
 */
export interface RunningDevice {
  /** False after the device's thread or process ended. */
  readonly alive: boolean;
  readonly info: DeviceInfo;
  /** By region index. Undefined for a region that the device does not have. */
  readonly regions: readonly (DeviceRegion | undefined)[];
  /** By interrupt index. Undefined for an index that the device does not have. */
  readonly irqs: readonly (IrqInfo | undefined)[];
  /** Puts the device's DMA behind a domain. @param domain 0 for no domain */
  setDomain(domain: DomainHandle): void;
  /** Reads from a region. @returns fewer bytes than `length` where the region ends @throws the device's errno */
  readRegion(regionIndex: number, regionOffset: bigint, length: number): Promise<Uint8Array>;
  /** Writes to a region. @returns how many bytes were written @throws the device's errno */
  writeRegion(regionIndex: number, regionOffset: bigint, data: Uint8Array): Promise<number>;
  /** Opens the device for a user, as vfio-pci shows it. @throws the device's errno */
  openFunction(): Promise<OpenFunction>;
  /** Resets the device. @throws the device's errno */
  reset(): Promise<void>;
  /** Calls back once, with the reason, when the device's thread or process has ended. @returns ends the watch */
  onEnd?(listener: (reason: VfioError) => void): () => void;
  /** Ends the device's thread or process. */
  close(): Promise<void>;
}

/** A device as vfio-pci shows it to one user: with virtualized config space, and without the MSI-X table. */
export interface OpenFunction {
  /** What native code accesses, on any thread. */
  readonly connection: ConnectionHandle;
  /** The BAR of the MSI-X table; undefined without MSI-X. */
  readonly tableRegion: number | undefined;
  /** Reads from a region. @returns fewer bytes than `length` where a BAR ends @throws the errno of vfio-pci or of the device */
  read(regionIndex: number, regionOffset: bigint, length: number): Promise<Uint8Array>;
  /** Writes to a region. @returns how many bytes were written @throws the errno of vfio-pci or of the device */
  write(regionIndex: number, regionOffset: bigint, data: Uint8Array): Promise<number>;
  /** Takes a mapping of a BAR away while memory decoding is off. @param fd the file of the BAR */
  track(mapping: MappingHandle, bar: number, fd: Fd, offset: bigint): void;
  /** Performs VFIO_DEVICE_SET_IRQS. @throws EINVAL, ENOTTY, ERANGE, EBADF, EBUSY, and the device's errno */
  setIrqs(set: IrqSet): Promise<void>;
  /** Signals the REQ eventfd, which asks the user to close the device. Does nothing if the user set none. */
  request(): void;
  /** Ends the user's access and disables the interrupts. */
  close(): Promise<void>;
}

/** A region of a running device. */
export interface DeviceRegion {
  readonly info: RegionInfo;
  /** The file behind the mappable areas, owned by the running device. Offsets in the file are offsets in the region. */
  readonly fd?: Fd;
}

/** Starts a device. The caller closes it. */
export type StartDevice = () => Promise<RunningDevice>;
