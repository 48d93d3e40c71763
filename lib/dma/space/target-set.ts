import type { DmaLimits, DmaTarget } from '../../backends/dma-target.js';
import type { IovaRange, ReservedRange } from '../../base/iova-range.js';
import { PAGE_SIZE_BIGINT } from '../../native/page-size.js';
import { intersect, subtract } from '../iova/iova-ranges.js';

/** What can be mapped before a device is attached: the 48 bits of a common IOMMU, without the interrupt window of x86. */
const DEFAULT_RANGES: readonly IovaRange[] = [
  { start: 0n, last: 0xfedfffffn },
  { start: 0xfef00000n, last: 0xffffffffffffn },
];
const ALL_IOVAS: readonly IovaRange[] = [{ start: 0n, last: (1n << 64n) - 1n }];

/** The IOMMU objects of a space, and what all of them can map. Thread: the space's. */
export class TargetSet {
  readonly #limits = new Map<DmaTarget, DmaLimits>();
  #pageSize = PAGE_SIZE_BIGINT;

  /** The IOMMU objects, in the order in which they were added. */
  get targets(): Iterable<DmaTarget> {
    return this.#limits.keys();
  }

  /** The number of IOMMU objects. */
  get size(): number {
    return this.#limits.size;
  }

  /** Adds an IOMMU object, or replaces its limits. */
  set(target: DmaTarget, limits: DmaLimits): void {
    this.#limits.set(target, limits);
    this.#pageSize = largestPage(this.#limits.values());
  }

  /** Removes an IOMMU object. */
  delete(target: DmaTarget): void {
    this.#limits.delete(target);
    this.#pageSize = largestPage(this.#limits.values());
  }

  /** Returns the IOVAs that every IOMMU object can map, ascending. @param further the limits of one that may join */
  ranges(further?: DmaLimits): readonly IovaRange[] {
    const limits = [...this.#limits.values(), ...(further === undefined ? [] : [further])];
    if (limits.length === 0) return DEFAULT_RANGES;
    return limits.reduce(
      (common, { ranges, reserved }) => intersect(common, subtract(ranges ?? ALL_IOVAS, reserved)),
      ALL_IOVAS,
    );
  }

  /** Reads the ranges that any IOMMU object reserves. */
  async reserved(): Promise<readonly ReservedRange[]> {
    return (await Promise.all([...this.targets].map((target) => target.queryReserved()))).flat();
  }

  /** The smallest page that every IOMMU object can map, bytes. */
  get pageSize(): bigint {
    return this.#pageSize;
  }

  /** The page sizes in which every IOMMU object tracks writes, a bitmap; 0n if one cannot, or if there is none. */
  get dirtyPageSizes(): bigint {
    if (this.size === 0) return 0n;
    return [...this.#limits.values()].reduce((common, { dirtyPageSizes }) => common & dirtyPageSizes, -1n);
  }
}

/** Gives the smallest page that all of them can map: the largest of their smallest ones. */
function largestPage(limits: Iterable<DmaLimits>): bigint {
  let largest = PAGE_SIZE_BIGINT;
  for (const { pageSizes } of limits) {
    const smallest = pageSizes & -pageSizes;
    if (smallest > largest) largest = smallest;
  }
  return largest;
}
