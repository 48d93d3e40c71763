import type { RegionInfo } from '../kernel/kernel.js';
import { VFIO_REGION_INFO_FLAG_MMAP } from '../uapi/vfio.js';

/** A range of a region; bytes. */
export interface PlannedArea {
  readonly offset: number;
  readonly size: number;
}

/**
 * Decides what of a region is mapped; the rest is trapped. This is the only place that does.
 * - A region without the MMAP flag is trapped, and one that the user wants trapped.
 * - With the sparse-mmap capability its areas are mapped, cut to whole pages.
 * - Else all of it, around the MSI-X table where the kernel does not say that the table may be mapped.
 * @param pageSize of the host, bytes
 * @param msixTable where in this region the MSI-X table lies, if it does
 * @returns areas in ascending order that neither overlap nor leave the region
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

/** The whole pages of a range; a range that ends the region may end inside a page, as mmap rounds up itself. */
function wholePages(start: number, end: number, regionSize: number, pageSize: number): PlannedArea {
  const first = Math.ceil(start / pageSize) * pageSize;
  const last = end >= regionSize ? regionSize : Math.floor(end / pageSize) * pageSize;
  return { offset: first, size: last - first };
}

function present(areas: readonly PlannedArea[]): PlannedArea[] {
  return areas.filter((area) => area.size > 0);
}

/** Ascending, an area that reaches into one before it cut where that one ends. */
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
