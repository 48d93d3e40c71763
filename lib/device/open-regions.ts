import type { AttachedDevice } from '../backends/backend.js';
import { allOf, type Unwinding } from '../base/unwinding.js';
import type { ConfigSpace } from '../config-space/config-space.js';
import { callKernel } from '../kernel/hints.js';
import type { DeviceInfos, RegionInfo } from '../kernel/kernel.js';
import type { AsyncLane } from '../lane/async-lane.js';
import type { PlannedArea } from '../region/plan.js';
import { Region } from '../region/region.js';
import { PCI_CAP_ID_MSIX, PCI_MSIX_ENTRY_SIZE, PCI_MSIX_TABLE } from '../uapi/pci.js';
import { VFIO_PCI_BAR5_REGION_INDEX, VFIO_PCI_MSIX_IRQ_INDEX, VFIO_REGION_INFO_FLAG_MMAP } from '../uapi/vfio.js';

/** The regions that are not mapped: all (true), none (false), or those of some indexes. */
export type TrapRegions = boolean | readonly number[];

/** The arguments of `openRegions`. */
interface OpenRegionsOptions {
  /** Of the device, for errors. */
  readonly name: string;
  readonly config: ConfigSpace | undefined;
  readonly lane: AsyncLane;
  readonly trap: TrapRegions;
}

/**
 * Opens every region that is not empty: maps the parts that may be mapped and traps the others.
 * @param undo gets the step that closes the regions
 */
export async function openRegions(
  { kernel, deviceFd }: AttachedDevice,
  infos: DeviceInfos,
  { name, config, lane, trap }: OpenRegionsOptions,
  undo: Unwinding,
): Promise<(Region | undefined)[]> {
  // Config space is read only if the answer matters: most devices have no I/O ports.
  const ioPorts = config !== undefined && infos.regions.some(mayBeIoPort) ? await findIoPorts(config) : undefined;
  const vectors = infos.irqs[VFIO_PCI_MSIX_IRQ_INDEX]?.count ?? 0;
  const table = config !== undefined && vectors > 0 ? await findMsixTable(config, vectors) : undefined;
  const regions: (Region | undefined)[] = [];
  undo.push(() => closeAll(regions));
  for (const info of infos.regions) {
    if (info === undefined || info.size === 0n) {
      regions.push(undefined);
      continue;
    }
    const source = {
      kernel,
      device: deviceFd,
      deviceName: name,
      info,
      ioPort: ioPorts?.has(info.index) ?? false,
      lane,
      trap: typeof trap === 'boolean' ? trap : trap.includes(info.index),
      ...(table?.regionIndex === info.index && { msixTable: table }),
    };
    regions.push(await callKernel('mmap', { device: name }, () => Region.open(source)));
  }
  return regions;
}

/** Closes all regions at the same time: each one waits for the threads that are inside an access. */
async function closeAll(regions: readonly (Region | undefined)[]): Promise<void> {
  await allOf(regions.flatMap((region) => region?.close() ?? []));
}

/** Finds the BARs that are I/O ports. VFIO does not tell them; the registers of the BARs do. */
async function findIoPorts(config: ConfigSpace): Promise<ReadonlySet<number>> {
  const { bars } = await config.header();
  return new Set(bars.filter((bar) => bar.kind === 'io').map((bar) => bar.barIndex));
}

/** Tells whether a region can be I/O ports: a BAR that cannot be mapped. */
function mayBeIoPort(info: RegionInfo | undefined): boolean {
  if (info === undefined) return false;
  const { index, size, flags } = info;
  return index <= VFIO_PCI_BAR5_REGION_INDEX && size > 0n && (flags & VFIO_REGION_INFO_FLAG_MMAP) === 0;
}

/** Finds the MSI-X table: the kernel may not allow to map it. */
async function findMsixTable(
  config: ConfigSpace,
  vectors: number,
): Promise<(PlannedArea & { readonly regionIndex: number }) | undefined> {
  const capability = (await config.capabilities()).find(({ id }) => id === PCI_CAP_ID_MSIX);
  if (capability === undefined) return undefined;
  const register = await config.read32(capability.offset + PCI_MSIX_TABLE);
  return { regionIndex: register & 7, offset: (register & ~7) >>> 0, size: vectors * PCI_MSIX_ENTRY_SIZE };
}
