import type { IovaRange, ReservedRange } from '../../base/iova-range.js';

/** The interrupt window of x86, where a write is a message and no memory. */
export const X86_MSI_WINDOW: ReservedRange = { start: 0xfee00000n, last: 0xfeefffffn, type: 'msi' };

/** Gives the range of iovas that an IOMMU of this address width (in bits) translates. */
export function apertureOf(addressWidth: number): IovaRange {
  return { start: 0n, last: (1n << BigInt(addressWidth)) - 1n };
}

export function intersects(a: IovaRange, b: IovaRange): boolean {
  return a.start <= b.last && b.start <= a.last;
}

/** Tells whether a whole range lies in one of the ranges. */
export function contains(ranges: readonly IovaRange[], range: IovaRange): boolean {
  return ranges.some((one) => one.start <= range.start && range.last <= one.last);
}

/** Gives what is left of the ranges inside of the aperture. */
export function clip(ranges: readonly IovaRange[], aperture: IovaRange): IovaRange[] {
  return ranges
    .filter((range) => intersects(range, aperture))
    .map(({ start, last }) => ({
      start: start > aperture.start ? start : aperture.start,
      last: last < aperture.last ? last : aperture.last,
    }));
}

/** Gives what is left of the ranges without the hole. */
export function exclude(ranges: readonly IovaRange[], hole: IovaRange): IovaRange[] {
  return ranges.flatMap((range) => {
    if (!intersects(range, hole)) return [range];
    const below = { start: range.start, last: hole.start - 1n };
    const above = { start: hole.last + 1n, last: range.last };
    return [below, above].filter(({ start, last }) => start <= last);
  });
}
