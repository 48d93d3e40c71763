import { VfioError } from '../../base/errors.js';
import {
  VFIO_IOMMU_INFO_CAPS,
  VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE,
  VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION,
  VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL,
  VFIO_REGION_INFO_CAP_MSIX_MAPPABLE,
  VFIO_REGION_INFO_CAP_SPARSE_MMAP,
  VFIO_REGION_INFO_CAP_TYPE,
  VFIO_REGION_INFO_FLAG_CAPS,
} from '../../uapi/vfio.js';
import { VFIO_IOMMU_TYPE1_INFO_SIZE, VFIO_REGION_INFO_MINSZ } from '../../uapi/vfio-sizes.js';
import type { DeviceInfos, IommuInfo, IrqInfo, RegionCapabilities, RegionInfo } from '../kernel.js';

/** Returns the size of the whole answer, bytes: the kernel writes it into `argsz`. */
export function wantedArgsz(answer: Uint8Array): number {
  return viewOf(answer).getUint32(0, true);
}

/**
 * Decodes struct vfio_region_info with its capability chain.
 * @param answer the structure as the kernel left it, with the room behind it
 * @throws ERR_PROTOCOL if the chain leaves the structure or goes backwards
 */
export function parseRegionInfo(answer: Uint8Array): RegionInfo {
  const view = viewOf(answer);
  const flags = view.getUint32(4, true);
  return {
    index: view.getUint32(8, true),
    flags,
    size: view.getBigUint64(16, true),
    offset: view.getBigUint64(24, true),
    capabilities: (flags & VFIO_REGION_INFO_FLAG_CAPS) === 0 ? {} : regionCapabilities(view, view.getUint32(12, true)),
  };
}

/**
 * Decodes the result of the addon's `deviceGetInfos`.
 * @param regions flags, size and offset of each region; all flags are set for an absent one
 * @param whole the whole answers of the regions that have capabilities, by index
 * @param irqs flags and count of each interrupt; all flags are set for an absent one
 * @throws ERR_PROTOCOL as `parseRegionInfo`
 */
export function parseDeviceInfos(
  regions: BigUint64Array,
  whole: Readonly<Record<number, Uint8Array>>,
  irqs: BigUint64Array,
): DeviceInfos {
  const found: { regions: (RegionInfo | undefined)[]; irqs: (IrqInfo | undefined)[] } = { regions: [], irqs: [] };
  for (let index = 0; index < regions.length / 3; index += 1) {
    const chained = whole[index];
    const flags = regions[index * 3] as bigint;
    const size = regions[index * 3 + 1] as bigint;
    const offset = regions[index * 3 + 2] as bigint;
    if (chained !== undefined) found.regions.push(parseRegionInfo(chained));
    else if (flags === ABSENT) found.regions.push(undefined);
    else found.regions.push({ index, flags: Number(flags), size, offset, capabilities: {} });
  }
  for (let index = 0; index < irqs.length / 2; index += 1) {
    const flags = irqs[index * 2] as bigint;
    const count = Number(irqs[index * 2 + 1]);
    found.irqs.push(flags === ABSENT ? undefined : { index, flags: Number(flags), count });
  }
  return found;
}

const ABSENT = 0xffff_ffff_ffff_ffffn;

/** Decodes struct vfio_iommu_type1_info with its capability chain. @throws ERR_PROTOCOL as `parseRegionInfo` */
export function parseIommuInfo(answer: Uint8Array): IommuInfo {
  const view = viewOf(answer);
  const flags = view.getUint32(4, true);
  return {
    argsz: view.getUint32(0, true),
    flags,
    pageSizes: view.getBigUint64(8, true),
    ...((flags & VFIO_IOMMU_INFO_CAPS) === 0 ? {} : iommuCapabilities(view, view.getUint32(16, true))),
  };
}

function regionCapabilities(view: DataView, first: number): RegionCapabilities {
  const found: { -readonly [Key in keyof RegionCapabilities]: RegionCapabilities[Key] } = {};
  for (const { id, body } of chain(view, first, VFIO_REGION_INFO_MINSZ)) {
    if (id === VFIO_REGION_INFO_CAP_SPARSE_MMAP) {
      found.sparseMmap = pairs(body).map(([offset, size]) => ({ offset, size }));
    } else if (id === VFIO_REGION_INFO_CAP_TYPE) {
      need(body, 8);
      found.type = { type: body.getUint32(0, true), subtype: body.getUint32(4, true) };
    } else if (id === VFIO_REGION_INFO_CAP_MSIX_MAPPABLE) {
      found.msixMappable = true;
    }
  }
  return found;
}

type IommuCapabilities = Pick<IommuInfo, 'iovaRanges' | 'migration' | 'dmaAvailable'>;

function iommuCapabilities(view: DataView, first: number): IommuCapabilities {
  const found: { -readonly [Key in keyof IommuCapabilities]: IommuCapabilities[Key] } = {};
  for (const { id, body } of chain(view, first, VFIO_IOMMU_TYPE1_INFO_SIZE)) {
    if (id === VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE) {
      found.iovaRanges = pairs(body).map(([start, last]) => ({ start, last }));
    } else if (id === VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION) {
      need(body, 24);
      const [flags, pageSizes, maxDirtyBitmapSize] = [0, 8, 16].map((at) => body.getBigUint64(at, true)) as Triple;
      // The first field has 32 bits, followed by padding.
      found.migration = { flags: Number(flags & 0xffff_ffffn), pageSizes, maxDirtyBitmapSize };
    } else if (id === VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL) {
      need(body, 4);
      found.dmaAvailable = body.getUint32(0, true);
    }
  }
  return found;
}

type Triple = [bigint, bigint, bigint];

/** Lists the capabilities from `first` on. The body of each is everything that follows its header in the answer. */
function chain(view: DataView, first: number, structureSize: number): { id: number; body: DataView }[] {
  const found: { id: number; body: DataView }[] = [];
  let previous = structureSize - 1;
  for (let at = first; at !== 0;) {
    // The kernel appends capabilities, so a chain goes forward and ends.
    if (at <= previous || at + 8 > view.byteLength)
      throw malformed('a capability lies outside of the structure that the kernel returned');
    const body = new DataView(view.buffer, view.byteOffset + at + 8, view.byteLength - at - 8);
    found.push({ id: view.getUint16(at, true), body });
    previous = at;
    at = view.getUint32(at + 4, true);
  }
  return found;
}

/** Decodes a count, four bytes of padding, and that many pairs of 64-bit words. */
function pairs(body: DataView): [bigint, bigint][] {
  need(body, 8);
  const count = body.getUint32(0, true);
  need(body, 8 + 16 * count);
  return Array.from({ length: count }, (_, i) => [
    body.getBigUint64(8 + 16 * i, true),
    body.getBigUint64(16 + 16 * i, true),
  ]);
}

function need(body: DataView, length: number): void {
  if (body.byteLength < length) throw malformed('a capability is longer than the structure that the kernel returned');
}

function malformed(message: string): VfioError {
  return new VfioError(message, { code: 'ERR_PROTOCOL' });
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
