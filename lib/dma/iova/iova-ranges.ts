import type { IovaRange } from '../../base/iova-range.js';

/** Returns the IOVAs that both lists hold. @param one ascending. @param other ascending */
export function intersect(one: readonly IovaRange[], other: readonly IovaRange[]): IovaRange[] {
  const common: IovaRange[] = [];
  for (const a of one) {
    for (const b of other) {
      const start = a.start > b.start ? a.start : b.start;
      const last = a.last < b.last ? a.last : b.last;
      if (start <= last) common.push({ start, last });
    }
  }
  return common;
}

/** Returns the IOVAs of `ranges` that are in none of the `holes`. @param ranges ascending */
export function subtract(ranges: readonly IovaRange[], holes: readonly IovaRange[]): IovaRange[] {
  let left = [...ranges];
  for (const hole of holes) {
    left = left.flatMap(({ start, last }) => {
      if (hole.last < start || hole.start > last) return [{ start, last }];
      const parts: IovaRange[] = [];
      if (hole.start > start) parts.push({ start, last: hole.start - 1n });
      if (hole.last < last) parts.push({ start: hole.last + 1n, last });
      return parts;
    });
  }
  return left;
}

/** Tells whether two lists hold the same ranges in the same order. */
export function sameRanges(one: readonly IovaRange[], other: readonly IovaRange[]): boolean {
  if (one.length !== other.length) return false;
  return one.every(({ start, last }, index) => start === other[index]?.start && last === other[index]?.last);
}
