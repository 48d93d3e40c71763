import type { AttachedDevice } from '../backends/backend.js';
import type { ConfigSpace } from '../config-space/config-space.js';
import { callKernel } from '../kernel/hints.js';
import type { DeviceInfos, RegionInfo } from '../kernel/kernel.js';
import type { AsyncLane } from '../lane/async-lane.js';
import type { PlannedArea } from '../region/plan.js';
import { Region } from '../region/region.js';
import { PCI_CAP_ID_MSIX, PCI_MSIX_TABLE } from '../uapi/pci.js';
import { VFIO_PCI_BAR5_REGION_INDEX, VFIO_PCI_MSIX_IRQ_INDEX, VFIO_REGION_INFO_FLAG_MMAP } from '../uapi/vfio.js';
import { allOf, type Unwinding } from '../base/unwinding.js';

/** An entry of the MSI-X table; bytes. Source: PCI Local Bus Specification 3.0, 6.8.2 */
const MSIX_ENTRY_SIZE = 16;

/** Which regions are not to be mapped: all, none, or those of some indexes. */
export type TrapRegions = boolean | readonly number[];

/** Opens every region that has bytes: maps what may be mapped, traps the rest. What has to be closed is added to `undo`. */
export async function openRegions(
  { kernel, deviceFd }: AttachedDevice,
  infos: DeviceInfos,
  { name, config, lane, trap }: { name: string; config: ConfigSpace | undefined; lane: AsyncLane; trap: TrapRegions },
  undo: Unwinding,
): Promise<(Region | undefined)[]> {
  // Most devices have no I/O ports, and then there is nothing to wait for.
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
    const msixTable = table?.regionIndex === info.index ? { msixTable: table } : {};
    const source = {
      kernel,
      device: deviceFd,
      deviceName: name,
      info,
      ioPort: ioPorts?.has(info.index) ?? false,
      lane,
    };
    const trapped = typeof trap === 'boolean' ? trap : trap.includes(info.index);
    const region = await callKernel('mmap', { device: name }, () =>
      Region.open({ ...source, ...msixTable, trap: trapped }),
    );
    regions.push(region);
  }
  return regions;
}

/** At once: each waits for the threads that are inside, which may as well be waited for together. */
async function closeAll(regions: readonly (Region | undefined)[]): Promise<void> {
  await allOf(regions.flatMap((region) => region?.close() ?? []));
}

/** Which BARs are I/O ports: their registers say so, VFIO does not, but for what can be mapped, which is memory. */
async function findIoPorts(config: ConfigSpace): Promise<ReadonlySet<number>> {
  const { bars } = await config.header();
  return new Set(bars.filter((bar) => bar.kind === 'io').map((bar) => bar.barIndex));
}

function mayBeIoPort(info: RegionInfo | undefined): boolean {
  if (info === undefined) return false;
  const { index, size, flags } = info;
  return index <= VFIO_PCI_BAR5_REGION_INDEX && size > 0n && (flags & VFIO_REGION_INFO_FLAG_MMAP) === 0;
}

/** Finds the MSI-X table, which the kernel may not let be mapped. */
async function findMsixTable(
  config: ConfigSpace,
  vectors: number,
): Promise<(PlannedArea & { readonly regionIndex: number }) | undefined> {
  const capability = (await config.capabilities()).find(({ id }) => id === PCI_CAP_ID_MSIX);
  if (capability === undefined) return undefined;
  const register = await config.read32(capability.offset + PCI_MSIX_TABLE);
  return { regionIndex: register & 7, offset: (register & ~7) >>> 0, size: vectors * MSIX_ENTRY_SIZE };
}
