import type { IovaRange, ReservedRange } from '../../base/iova-range.js';

/** The interrupt window of x86. A write to it is an interrupt message, not a memory access. */
export const X86_MSI_WINDOW: ReservedRange = { start: 0xfee00000n, last: 0xfeefffffn, type: 'msi' };

/** Returns the range of IOVAs that an IOMMU translates. @param addressWidth bits of an IOVA, 1 to 64 */
export function apertureOf(addressWidth: number): IovaRange {
  return { start: 0n, last: (1n << BigInt(addressWidth)) - 1n };
}

/** Tells whether two ranges have an IOVA in common. */
export function intersects(a: IovaRange, b: IovaRange): boolean {
  return a.start <= b.last && b.start <= a.last;
}

/** Tells whether one of the ranges contains all of `range`. */
export function contains(ranges: readonly IovaRange[], range: IovaRange): boolean {
  return ranges.some(({ start, last }) => start <= range.start && range.last <= last);
}

/** Returns the parts of the ranges that lie in the aperture. */
export function clip(ranges: readonly IovaRange[], aperture: IovaRange): IovaRange[] {
  return ranges
    .filter((range) => intersects(range, aperture))
    .map(({ start, last }) => ({
      start: start > aperture.start ? start : aperture.start,
      last: last < aperture.last ? last : aperture.last,
    }));
}

/** Returns the parts of the ranges that lie outside the hole. */
export function exclude(ranges: readonly IovaRange[], hole: IovaRange): IovaRange[] {
  return ranges.flatMap((range) => {
    if (!intersects(range, hole)) return [range];
    const below = { start: range.start, last: hole.start - 1n };
    const above = { start: hole.last + 1n, last: range.last };
    return [below, above].filter(({ start, last }) => start <= last);
  });
}
