/** A node of a range tree. Its first entry's start is the lowest page under it. */
export type RangeNode = RangeLeaf | RangeBranch;

/** The pages where a fit may begin. */
export interface Grid {
  /** In pages, a power of two. */
  readonly alignment: number;
  /** One over it: a division would cost more, and this is exact. */
  readonly perAlignment: number;
  /** The lowest page. */
  readonly lowest: number;
}

/** Pages from the first one of the grid in a range to the range's end; below 1 when there is none. */
export function usable(start: number, last: number, grid: Grid): number {
  return last + 1 - firstOf(start, grid);
}

/** The first page of the grid that is not below a page. */
export function firstOf(page: number, { alignment, perAlignment, lowest }: Grid): number {
  // Not by bits, which end at 32.
  return Math.ceil((page < lowest ? lowest : page) * perAlignment) * alignment;
}

/** Finds the last of `count` ascending starts that is not above a page; -1 when all are. */
export function floorIndex(starts: Float64Array, count: number, page: number): number {
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((starts[middle] as number) <= page) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Ranges in ascending order. */
export class RangeLeaf {
  count = 0;
  readonly starts: Float64Array;
  readonly lasts: Float64Array;

  constructor(readonly capacity: number) {
    this.starts = new Float64Array(capacity);
    this.lasts = new Float64Array(capacity);
  }

  insertAt(index: number, start: number, last: number): void {
    makeRoom(this.starts, index, this.count);
    makeRoom(this.lasts, index, this.count);
    this.starts[index] = start;
    this.lasts[index] = last;
    this.count += 1;
  }

  removeAt(index: number): void {
    closeGap(this.starts, index, this.count);
    closeGap(this.lasts, index, this.count);
    this.count -= 1;
  }

  /** Moves the upper half into a new leaf. */
  split(): RangeLeaf {
    const right = new RangeLeaf(this.capacity);
    const half = this.count >> 1;
    right.starts.set(this.starts.subarray(half, this.count));
    right.lasts.set(this.lasts.subarray(half, this.count));
    right.count = this.count - half;
    this.count = half;
    return right;
  }

  /** Takes in all of a leaf whose ranges come after. */
  append(right: RangeLeaf): void {
    this.starts.set(right.starts.subarray(0, right.count), this.count);
    this.lasts.set(right.lasts.subarray(0, right.count), this.count);
    this.count += right.count;
  }

  /** The most usable pages of one range. @param known what they are at most: enough to stop at */
  widest(_slot: number, grid: Grid, known = Infinity): number {
    const { starts, lasts, count } = this;
    let widest = 0;
    for (let i = 0; i < count && widest < known; i++) {
      const start = starts[i] as number;
      const last = lasts[i] as number;
      // Most are too short whatever their alignment.
      if (last - start < widest) continue;
      const pages = usable(start, last, grid);
      if (pages > widest) widest = pages;
    }
    return widest;
  }
}

/**
 * Nodes in ascending order, and for each grid in use (a slot) how many pages of one range are usable at most under
 * each: never too few, and too many where a range has become narrower since.
 */
export class RangeBranch {
  count = 0;
  readonly children: RangeNode[] = [];
  readonly starts: Float64Array;
  readonly widths: Float64Array[] = [];

  constructor(readonly capacity: number) {
    this.starts = new Float64Array(capacity);
  }

  insertAt(index: number, child: RangeNode, grids: readonly Grid[]): void {
    makeRoom(this.starts, index, this.count);
    for (const row of this.widths) makeRoom(row, index, this.count);
    this.children.splice(index, 0, child);
    this.count += 1;
    this.remeasure(index, grids);
  }

  removeAt(index: number): void {
    closeGap(this.starts, index, this.count);
    for (const row of this.widths) closeGap(row, index, this.count);
    this.children.splice(index, 1);
    this.count -= 1;
  }

  /** Looks anew at what is under a child. */
  remeasure(index: number, grids: readonly Grid[]): void {
    const child = this.children[index] as RangeNode;
    this.starts[index] = child.starts[0] as number;
    grids.forEach((grid, slot) => {
      this.widths[slot] ??= new Float64Array(this.capacity);
      this.widths[slot][index] = child.widest(slot, grid);
    });
  }

  split(): RangeBranch {
    const right = new RangeBranch(this.capacity);
    const half = this.count >> 1;
    right.starts.set(this.starts.subarray(half, this.count));
    for (const row of this.widths) {
      const copy = new Float64Array(this.capacity);
      copy.set(row.subarray(half, this.count));
      right.widths.push(copy);
    }
    right.children.push(...this.children.splice(half));
    right.count = this.count - half;
    this.count = half;
    return right;
  }

  append(right: RangeBranch): void {
    this.starts.set(right.starts.subarray(0, right.count), this.count);
    this.widths.forEach((row, slot) => {
      row.set((right.widths[slot] as Float64Array).subarray(0, right.count), this.count);
    });
    this.children.push(...right.children);
    this.count += right.count;
  }

  widest(slot: number, _grid: Grid): number {
    const row = this.widths[slot] as Float64Array;
    let widest = 0;
    for (let i = 0; i < this.count; i++) if ((row[i] as number) > widest) widest = row[i] as number;
    return widest;
  }
}

/** By hand: `copyWithin` costs more for so few. */
function makeRoom(numbers: Float64Array, index: number, count: number): void {
  for (let i = count; i > index; i--) numbers[i] = numbers[i - 1] as number;
}

function closeGap(numbers: Float64Array, index: number, count: number): void {
  for (let i = index + 1; i < count; i++) numbers[i - 1] = numbers[i] as number;
}
