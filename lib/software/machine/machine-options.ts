import type { ReservedRange } from '../../base/iova-range.js';
import type { IommuDomain } from '../iommu/domain.js';
import type { StartDevice } from '../pci/running-device.js';
import { X86_MSI_WINDOW } from '../iommu/iova-ranges.js';

/** The properties of a software machine. The defaults are those of an x86 PC with an IOMMU. */
export interface MachineOptions {
  /** Whether there is an IOMMU. Without one, a device has no group until it binds to a noiommu group. Default true. */
  readonly iommu?: boolean;
  /** Whether the IOMMU isolates the interrupts of each group. Default true. */
  readonly interruptRemapping?: boolean;
  /** The parameter allow_unsafe_interrupts of the modules vfio_iommu_type1 and iommufd. Default false. */
  readonly allowUnsafeInterrupts?: boolean;
  /** The module parameter vfio.enable_unsafe_noiommu_mode. Default false. */
  readonly noiommu?: boolean;
  /** The module parameter vfio_iommu_type1.dma_entry_limit. Default 65535. */
  readonly dmaEntryLimit?: number;
  /** Ranges of IOVAs that no group can map. Default: the interrupt window 0xfee00000 to 0xfeefffff. */
  readonly reservedRegions?: readonly ReservedRange[];
  /** How many bits of an IOVA the IOMMU translates, 1 to 64. Default 48. */
  readonly addressWidth?: number;
  /** The page sizes of the IOMMU: a sum of powers of two, in bytes. Default 4 KiB, 2 MiB and 1 GiB. */
  readonly pageSizes?: bigint;
  /** Whether there are /dev/iommu and /dev/vfio/devices, as since Linux 6.6. Default true. */
  readonly iommufd?: boolean;
  /** Whether the IOMMU can track the pages that devices write, for page tables of an iommufd. Default true. */
  readonly dirtyTracking?: boolean;
  /**
   * Whether the kernel has transparent huge pages. An iommufd then aligns an IOVA that it chooses as the memory, up to 2 MiB;
   * otherwise to a page. Default true.
   */
  readonly transparentHugepages?: boolean;
  /** Makes the domains, for tests. Default: the addon's domains. @internal */
  readonly createDomain?: () => IommuDomain;
  /** Tells whether memory of this process can be pinned, for tests. Default: the addon asks the system. @internal */
  readonly probeMemory?: (vaddr: bigint, size: bigint, write: boolean) => boolean;
}

/** The options of a machine with their defaults filled in. */
export type MachineSettings = Required<Omit<MachineOptions, 'createDomain' | 'probeMemory'>>;

/** Fills in the defaults of a machine's options. */
export function machineSettings(options: MachineOptions): MachineSettings {
  return {
    iommu: options.iommu ?? true,
    interruptRemapping: options.interruptRemapping ?? true,
    allowUnsafeInterrupts: options.allowUnsafeInterrupts ?? false,
    noiommu: options.noiommu ?? false,
    dmaEntryLimit: options.dmaEntryLimit ?? 65535,
    reservedRegions: options.reservedRegions ?? [X86_MSI_WINDOW],
    addressWidth: options.addressWidth ?? 48,
    pageSizes: options.pageSizes ?? 0x40201000n,
    iommufd: options.iommufd ?? true,
    dirtyTracking: options.dirtyTracking ?? true,
    transparentHugepages: options.transparentHugepages ?? true,
  };
}

/** The capabilities and limits of a simulated process. */
export interface ProcessOptions {
  /** CAP_SYS_RAWIO: whether it can use noiommu groups. Default true. */
  readonly capSysRawio?: boolean;
  /** CAP_IPC_LOCK: whether it can lock more memory than `memlockLimit`. Default true. */
  readonly capIpcLock?: boolean;
  /** RLIMIT_MEMLOCK in bytes. Default Infinity. */
  readonly memlockLimit?: number;
}

/** A device of a software machine. */
export interface DeviceOptions {
  /** A bdf, for example `f000:00:04.0`, or the UUID of a mediated device. */
  readonly name: string;
  /** The number of its IOMMU group. Default: a new group. The devices of a group share a domain. */
  readonly group?: number;
  /** `edu`, `testdev`, or the URL of a module whose default export is a `PciModel`. Without it, the device cannot be opened. */
  readonly model?: string | URL;
  /** The argument of the model's `create`. It must be structured-cloneable. */
  readonly modelOptions?: unknown;
  /** Whether the model runs in a thread of this process or in its own process. Default `thread`. */
  readonly placement?: 'thread' | 'process';
  /** Starts the device in the place of `model`, for tests. @internal */
  readonly start?: StartDevice;
  /** The driver to bind, null for none. Default: `vfio-pci` (`vfio_mdev` for a UUID) for a device with a model, else none. */
  readonly driver?: string | null;
  /** The driver that a probe binds if `driver_override` is not set. Default none. */
  readonly nativeDriver?: string;
  /** Whether the IOMMU isolates its interrupts. Default: the machine's `interruptRemapping`. */
  readonly isolatedInterrupts?: boolean;
  /** Whether the IOMMU can enforce cache coherency for its DMA. Default false. */
  readonly enforcesCoherency?: boolean;
  /** Ranges of IOVAs that its group cannot map, besides those of the machine. Default none. */
  readonly reservedRegions?: readonly ReservedRange[];
  /** How many bits of an IOVA its IOMMU translates, 1 to 64. Default: the machine's. */
  readonly addressWidth?: number;
  /** Replaces the driver's comparison of the argument of VFIO_GROUP_GET_DEVICE_FD, for tests. @internal */
  readonly match?: (argument: string) => boolean;
  /** Vendor, device and class, as sysfs shows them. Default: those of the model. */
  readonly identity?: { readonly vendorId: number; readonly deviceId: number; readonly classCode: number };
}
