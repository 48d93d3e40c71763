import { LAST_ADDRESS, type IovaRange } from '../../base/iova-range.js';
import { PAGE_SIZE_BIGINT } from '../../native/page-size.js';
import { failWith } from '../base/errno-failure.js';
import { intersects } from '../iommu/iova-ranges.js';

/** What the choice of an IOVA depends on. */
export interface FreeIovaRequest {
  /** The address of the memory, whose alignment the IOVA keeps. */
  readonly vaddr: bigint;
  /** Bytes. */
  readonly size: bigint;
  /** The alignment of the IOAS, bytes. */
  readonly alignment: bigint;
  /** The largest alignment that the kernel tries, bytes. */
  readonly largestAlignment: bigint;
  /** The ranges that the user allows; empty: all. */
  readonly allowed: readonly IovaRange[];
  /** The mapped and the reserved ranges. */
  readonly used: readonly IovaRange[];
}

/**
 * Chooses the lowest IOVA that is free. It is never 0.
 * @throws EOVERFLOW for a size of half of the address space; EINVAL if the memory is aligned less than the IOAS; ENOSPC
 * Source: iopt_alloc_iova
 */
export function chooseIova({ vaddr, size, alignment, largestAlignment, allowed, used }: FreeIovaRequest): bigint {
  if (size === 0n || size >= LAST_ADDRESS / 2n) failWith('EOVERFLOW');
  const wanted = alignmentFor(vaddr, size, largestAlignment);
  if (wanted < alignment) failWith('EINVAL');
  const everywhere = { start: PAGE_SIZE_BIGINT, last: LAST_ADDRESS - PAGE_SIZE_BIGINT };
  const spans = allowed.length === 0 ? [everywhere] : allowed.filter((range) => intersects(range, everywhere));
  const inPage = vaddr % PAGE_SIZE_BIGINT;
  const sorted = used.toSorted(byStart);
  for (const span of spans.toSorted(byStart)) {
    const start = alignedStart(span, wanted, inPage, size);
    if (start === undefined) continue;
    for (const hole of holesIn({ start, last: span.last }, sorted)) {
      const iova = alignedStart(hole, wanted, inPage, size);
      if (iova !== undefined) return iova;
    }
  }
  return failWith('ENOSPC');
}

function byStart(a: IovaRange, b: IovaRange): number {
  return a.start < b.start ? -1 : 1;
}

/** Iterates over the parts of a span that no range covers. @param used by ascending start */
function* holesIn(span: IovaRange, used: readonly IovaRange[]): Generator<IovaRange, undefined> {
  let { start } = span;
  for (const range of used) {
    if (range.last < start) continue;
    if (range.start > span.last) break;
    if (range.start > start) yield { start, last: range.start - 1n };
    start = range.last + 1n;
  }
  if (start <= span.last) yield { start, last: span.last };
  return undefined;
}

/** Keeps the alignment of the memory, up to the size and to the largest one, so that large pages can be used. */
function alignmentFor(vaddr: bigint, size: bigint, largest: bigint): bigint {
  let ofSize = 1n;
  while (ofSize < size && ofSize < largest) ofSize *= 2n;
  const ofVaddr = vaddr === 0n ? ofSize : vaddr & -vaddr;
  return ofVaddr < ofSize ? ofVaddr : ofSize;
}

/** Returns the first place in a range, undefined if the size does not fit. Source: __alloc_iova_check_range */
function alignedStart(range: IovaRange, alignment: bigint, inPage: bigint, size: bigint): bigint | undefined {
  const start = ((range.start + alignment - 1n) / alignment) * alignment;
  if (start > LAST_ADDRESS) return undefined;
  const place = start | inPage;
  return place >= range.last || range.last - place < size - 1n ? undefined : place;
}
