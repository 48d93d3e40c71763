import { LAST_ADDRESS } from '../../base/iova-range.js';
import type { IoasCopy, IoasMap, IommuHwInfo } from '../../kernel/iommufd.js';
import {
  IOMMU_HW_CAP_DIRTY_TRACKING,
  IOMMU_HW_INFO_TYPE_NONE,
  IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
  IOMMU_IOAS_MAP_FIXED_IOVA,
  IOMMU_IOAS_MAP_READABLE,
  IOMMU_IOAS_MAP_WRITEABLE,
  IOMMU_OPTION_HUGE_PAGES,
  IOMMU_OPTION_RLIMIT_MODE,
} from '../../uapi/iommufd.js';
import { VFIO_DMA_MAP_FLAG_READ, VFIO_DMA_MAP_FLAG_WRITE } from '../../uapi/vfio.js';
import { failWith } from '../base/errno-failure.js';
import { Hwpt } from './hwpt.js';
import { Ioas } from './ioas.js';
import type { IommufdCall } from './iommufd-context.js';
import { Pages } from './pages.js';

const ACCESS = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE;

/**
 * Performs IOMMU_IOAS_MAP.
 * @throws EOPNOTSUPP for unknown flags; EOVERFLOW, EINVAL, ENOENT; the errors of `IoPageTable.map`
 */
export function mapIoas({ context, account }: IommufdCall, map: IoasMap): Promise<bigint> {
  checkFlags(map.flags, [map.iova, map.size]);
  const ioas = context.ioas(map.ioasId);
  const access = accessOf(map.flags);
  const pages = new Pages({ vaddr: map.vaddr, size: map.size, access }, account);
  const part = { pages, offset: map.vaddr - pages.vaddr, size: map.size };
  const iova = isFixed(map.flags) ? map.iova : undefined;
  return context.objects.using([ioas], () => ioas.table.map({ parts: [part], iova, access }));
}

/** Performs IOMMU_IOAS_COPY. @throws as `mapIoas`; ENOENT if a part of the source is not mapped; EPERM */
export function copyIoas({ context }: IommufdCall, copy: IoasCopy): Promise<bigint> {
  checkFlags(copy.flags, [copy.size, copy.fromIova, copy.toIova]);
  const parts = context.ioas(copy.fromIoasId).table.find(copy.fromIova, copy.size);
  const target = context.ioas(copy.toIoasId);
  const iova = isFixed(copy.flags) ? copy.toIova : undefined;
  return context.objects.using([target], () => target.table.map({ parts, iova, access: accessOf(copy.flags) }));
}

/** Performs IOMMU_IOAS_UNMAP. @throws ENOENT if nothing was unmapped, or the range cuts an area; EINVAL, EOVERFLOW */
export function unmapIoas(
  { context }: IommufdCall,
  ioasId: number,
  { iova, size }: { readonly iova: bigint; readonly size: bigint },
): Promise<bigint> {
  const ioas = context.ioas(ioasId);
  return context.objects.using([ioas], async () => {
    if (iova === 0n && size === LAST_ADDRESS) return ioas.table.unmapAll();
    if (iova >= LAST_ADDRESS || size >= LAST_ADDRESS) failWith('EOVERFLOW');
    const unmapped = await ioas.table.unmap(iova, size);
    return unmapped === 0n ? failWith('ENOENT') : unmapped;
  });
}

/** Performs IOMMU_OPTION with GET. @throws EOPNOTSUPP, ENOENT */
export function getOption({ context }: IommufdCall, optionId: number, objectId: number): bigint {
  if (optionId === IOMMU_OPTION_RLIMIT_MODE) {
    if (objectId !== 0) failWith('EOPNOTSUPP');
    return context.countsByProcess ? 1n : 0n;
  }
  if (optionId !== IOMMU_OPTION_HUGE_PAGES) failWith('EOPNOTSUPP');
  return context.ioas(objectId).table.largePages ? 1n : 0n;
}

/** Performs IOMMU_OPTION with SET. @throws EOPNOTSUPP, ENOENT, EINVAL, EADDRINUSE; EBUSY if the iommufd has objects */
export function setOption({ context }: IommufdCall, optionId: number, objectId: number, value: bigint): void {
  if (optionId === IOMMU_OPTION_RLIMIT_MODE) {
    if (objectId !== 0) failWith('EOPNOTSUPP');
    if (!context.objects.empty) failWith('EBUSY');
    if (value > 1n) failWith('EINVAL');
    context.countsByProcess = value === 1n;
    return;
  }
  if (optionId !== IOMMU_OPTION_HUGE_PAGES) failWith('EOPNOTSUPP');
  const { table } = context.ioas(objectId);
  if (value > 1n) failWith('EINVAL');
  table.setLargePages(value === 1n);
}

/**
 * Performs IOMMU_HWPT_ALLOC. @returns the id of the page table
 * @throws ENOENT for an id that is not a device's; EINVAL for a `ptId` that is neither an IOAS nor a page table; EOPNOTSUPP for flags that
 *   the IOMMU does not have, and for a nested page table; the errors of `IoPageTable.addDomain`
 */
export async function allocHwpt(
  { context }: IommufdCall,
  flags: number,
  { deviceId, ptId }: { readonly deviceId: number; readonly ptId: number },
): Promise<number> {
  const device = context.device(deviceId);
  const target = context.objects.find(ptId) ?? failWith('EINVAL');
  if (target instanceof Hwpt) failWith('EOPNOTSUPP');
  if (!(target instanceof Ioas)) failWith('EINVAL');
  const tracksDirty = (flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING) !== 0;
  if ((flags & ~IOMMU_HWPT_ALLOC_DIRTY_TRACKING) !== 0) failWith('EOPNOTSUPP');
  if (tracksDirty && !context.environment.settings.dirtyTracking) failWith('EOPNOTSUPP');
  return context.objects.using([device, target], () =>
    target.lock.run(async () => {
      const hwpt = await context.makeHwpt(target, device.group, { auto: false, tracksDirty });
      return context.objects.add(hwpt).id;
    }),
  );
}

/** Performs IOMMU_GET_HW_INFO. The IOMMU of the software core has no registers. @throws ENOENT */
export function getHwInfo({ context }: IommufdCall, deviceId: number): IommuHwInfo {
  context.device(deviceId);
  const capabilities = context.environment.settings.dirtyTracking ? IOMMU_HW_CAP_DIRTY_TRACKING : 0n;
  return { type: IOMMU_HW_INFO_TYPE_NONE, capabilities, data: new Uint8Array(0) };
}

function checkFlags(flags: number, values: readonly bigint[]): void {
  if ((flags & ~(IOMMU_IOAS_MAP_FIXED_IOVA | ACCESS)) !== 0) failWith('EOPNOTSUPP');
  if (values.some((value) => value >= LAST_ADDRESS)) failWith('EOVERFLOW');
  if ((flags & ACCESS) === 0) failWith('EINVAL');
}

function isFixed(flags: number): boolean {
  return (flags & IOMMU_IOAS_MAP_FIXED_IOVA) !== 0;
}

function accessOf(flags: number): number {
  const read = (flags & IOMMU_IOAS_MAP_READABLE) === 0 ? 0 : VFIO_DMA_MAP_FLAG_READ;
  const write = (flags & IOMMU_IOAS_MAP_WRITEABLE) === 0 ? 0 : VFIO_DMA_MAP_FLAG_WRITE;
  return read | write;
}
