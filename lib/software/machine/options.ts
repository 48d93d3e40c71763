import type { ReservedRange } from '../../base/iova-range.js';
import type { IommuDomain } from '../iommu/domain.js';
import type { StartHost } from '../pci/host.js';
import { X86_MSI_WINDOW } from '../iommu/iova-ranges.js';

/** How a software machine is built. What is left out is as on an x86 PC with an IOMMU. */
export interface MachineOptions {
  /** Whether there is an IOMMU; without one, devices have no group until noiommu makes them one. Default true. */
  readonly iommu?: boolean;
  /** Whether the IOMMU isolates the interrupts of each group. Default true. */
  readonly interruptRemapping?: boolean;
  /** The module parameter vfio_iommu_type1.allow_unsafe_interrupts. Default false. */
  readonly allowUnsafeInterrupts?: boolean;
  /** The module parameter vfio.enable_unsafe_noiommu_mode. Default false. */
  readonly noiommu?: boolean;
  /** The module parameter vfio_iommu_type1.dma_entry_limit. Default 65535. */
  readonly dmaEntryLimit?: number;
  /** Ranges of every group that DMA cannot use. Default: the interrupt window 0xfee00000 to 0xfeefffff. */
  readonly reservedRegions?: readonly ReservedRange[];
  /** Bits of an iova that the IOMMU translates. Default 48. */
  readonly addressWidth?: number;
  /** A bit for each page size, as bytes. Default 4 KiB, 2 MiB and 1 GiB. */
  readonly pageSizes?: bigint;
  /** Whether an iommufd descriptor may stand for a container. Default true. */
  readonly iommufdCompat?: boolean;
  /** Makes the domains, for tests; the addon's by default. */
  readonly createDomain?: () => IommuDomain;
  /** Tells whether memory of this process can be pinned, for tests; the addon's answer by default. */
  readonly probeMemory?: (vaddr: bigint, size: bigint, write: boolean) => boolean;
}

export type MachineSettings = Required<Omit<MachineOptions, 'createDomain' | 'probeMemory'>>;

/** Fills in what a machine's options leave out. */
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
    iommufdCompat: options.iommufdCompat ?? true,
  };
}

/** What a simulated process may do. */
export interface ProcessOptions {
  /** Whether it may use noiommu groups. Default true. */
  readonly capSysRawio?: boolean;
  /** Whether the limit of locked memory does not bind it. Default true. */
  readonly capIpcLock?: boolean;
  /** RLIMIT_MEMLOCK in bytes. Default Infinity. */
  readonly memlockLimit?: number;
}

/** A device of a software machine. */
export interface DeviceOptions {
  /** A bdf, as `f000:00:04.0`, or the UUID of a mediated device. */
  readonly name: string;
  /** The number of its IOMMU group; a new one by default. Devices of one group come under one domain. */
  readonly group?: number;
  /** `edu`, `testdev`, or the URL of a module whose default export is a `PciModel`; absent for a device that is only there. */
  readonly model?: string | URL;
  /** What the model's `create` gets. */
  readonly modelOptions?: unknown;
  /** Where the model runs. Default `thread`. */
  readonly placement?: 'thread' | 'process';
  /** Another way to start the device than from `model`. */
  readonly start?: StartHost;
  /** The driver that it is bound to. Default `vfio-pci` when there is something to open, else none. */
  readonly driver?: string | null;
  /** The driver that takes it on a probe without an override. Default none. */
  readonly nativeDriver?: string;
  /** Whether its group's interrupts are isolated. Default: the machine's interruptRemapping. */
  readonly isolatedInterrupts?: boolean;
  /** Whether the IOMMU can make all of its DMA cache coherent. Default false. */
  readonly enforcesCoherency?: boolean;
  /** Ranges of its group that DMA cannot use, beside the machine's. */
  readonly reservedRegions?: readonly ReservedRange[];
  /** Bits of an iova that its IOMMU translates. Default: the machine's. */
  readonly addressWidth?: number;
  /** The driver's own comparison of GET_DEVICE_FD's argument; vfio-pci's by default. @throws Refusal */
  readonly match?: (argument: string) => boolean;
  /** Vendor, device and class as sysfs shows them. Default: the model's. */
  readonly identity?: { readonly vendorId: number; readonly deviceId: number; readonly classCode: number };
}
