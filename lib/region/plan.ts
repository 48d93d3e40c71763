import type { RegionInfo } from '../kernel/kernel.js';
import { VFIO_REGION_INFO_FLAG_MMAP } from '../uapi/vfio.js';

/** A range of a region. */
export interface PlannedArea {
  /** Bytes into the region. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
}

/**
 * Decides which areas of a region are mapped. The rest is trapped. No other code decides this.
 * - A region without the MMAP flag is trapped, and so is one that the user wants trapped.
 * - If the region has the sparse-mmap capability, its areas are mapped, cut to whole pages.
 * - Otherwise all of the region is mapped, except for the pages of the MSI-X table. They are mapped as well if the region
 *   has the msix-mappable capability.
 * @param pageSize the page size of this machine, bytes
 * @param msixTable where the MSI-X table lies in this region; undefined if it lies in another one
 * @param trap whether to map nothing
 * @returns areas in ascending order, which do not overlap and lie inside the region
 * Source: vfio_pci_core.c, vfio_pci_core_mmap; VFIO_REGION_INFO_CAP_SPARSE_MMAP, VFIO_REGION_INFO_CAP_MSIX_MAPPABLE
 */
export function planAreas(
  info: RegionInfo,
  pageSize: number,
  {
    msixTable,
    trap = false,
  }: { readonly msixTable?: PlannedArea | undefined; readonly trap?: boolean | undefined } = {},
): PlannedArea[] {
  if (trap || (info.flags & VFIO_REGION_INFO_FLAG_MMAP) === 0) return [];
  const size = Number(info.size);
  const sparse = info.capabilities.sparseMmap;
  if (sparse !== undefined) {
    return withoutOverlap(
      sparse.map((area) => wholePages(Number(area.offset), Number(area.offset + area.size), size, pageSize)),
    );
  }
  if (msixTable === undefined || info.capabilities.msixMappable === true) return present([{ offset: 0, size }]);
  const hole = {
    start: Math.floor(msixTable.offset / pageSize) * pageSize,
    end: Math.ceil((msixTable.offset + msixTable.size) / pageSize) * pageSize,
  };
  return present([
    { offset: 0, size: Math.min(hole.start, size) },
    { offset: hole.end, size: size - hole.end },
  ]);
}

/** Cuts a range to whole pages. At the end of the region it keeps a partial page, because mmap rounds up itself. */
function wholePages(start: number, end: number, regionSize: number, pageSize: number): PlannedArea {
  const first = Math.ceil(start / pageSize) * pageSize;
  const last = end >= regionSize ? regionSize : Math.floor(end / pageSize) * pageSize;
  return { offset: first, size: last - first };
}

function present(areas: readonly PlannedArea[]): PlannedArea[] {
  return areas.filter((area) => area.size > 0);
}

/** Sorts areas, and cuts the beginning of an area that overlaps the one before it. */
function withoutOverlap(areas: readonly PlannedArea[]): PlannedArea[] {
  const planned: PlannedArea[] = [];
  let next = 0;
  for (const area of [...areas].sort((a, b) => a.offset - b.offset)) {
    const offset = Math.max(area.offset, next);
    const size = area.offset + area.size - offset;
    if (size <= 0) continue;
    planned.push({ offset, size });
    next = offset + size;
  }
  return planned;
}
