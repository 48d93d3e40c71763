/** A node of a range tree. The start of its first entry is the lowest page under it. */
export type RangeNode = RangeLeaf | RangeBranch;

/** The pages at which a fit may begin. */
export interface Grid {
  /** In pages, a power of two. */
  readonly alignment: number;
  /** 1 / alignment. To multiply costs less than to divide, and is exact for a power of two. */
  readonly perAlignment: number;
  /** The lowest page. */
  readonly lowest: number;
}

/** Returns the number of pages from the first grid page of a range to the end of the range; below 1 if it has none. */
export function usable(start: number, last: number, grid: Grid): number {
  return last + 1 - firstOf(start, grid);
}

/** Returns the first page of the grid that is not below a page. */
function firstOf(page: number, { alignment, perAlignment, lowest }: Grid): number {
  // Bit operations would cut the page to 32 bits.
  return Math.ceil((page < lowest ? lowest : page) * perAlignment) * alignment;
}

/** Finds the last of `count` ascending starts that is not above a page. @returns its index; -1 if all are above */
export function floorIndex(starts: Float64Array, count: number, page: number): number {
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((starts[middle] as number) <= page) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** A leaf: ranges in ascending order. */
export class RangeLeaf {
  count = 0;
  readonly starts: Float64Array;
  readonly lasts: Float64Array;

  /** @param capacity the most ranges it holds */
  constructor(readonly capacity: number) {
    this.starts = new Float64Array(capacity);
    this.lasts = new Float64Array(capacity);
  }

  /** Inserts a range; there must be room. */
  insertAt(index: number, start: number, last: number): void {
    makeRoom(this.starts, index, this.count);
    makeRoom(this.lasts, index, this.count);
    this.starts[index] = start;
    this.lasts[index] = last;
    this.count += 1;
  }

  /** Removes a range. */
  removeAt(index: number): void {
    closeGap(this.starts, index, this.count);
    closeGap(this.lasts, index, this.count);
    this.count -= 1;
  }

  /** Moves the upper half into a new leaf. @returns the new leaf */
  split(): RangeLeaf {
    const right = new RangeLeaf(this.capacity);
    const half = this.count >> 1;
    right.starts.set(this.starts.subarray(half, this.count));
    right.lasts.set(this.lasts.subarray(half, this.count));
    right.count = this.count - half;
    this.count = half;
    return right;
  }

  /** Adds all ranges of a leaf that comes after this one; there must be room. */
  append(right: RangeLeaf): void {
    this.starts.set(right.starts.subarray(0, right.count), this.count);
    this.lasts.set(right.lasts.subarray(0, right.count), this.count);
    this.count += right.count;
  }

  /** Returns the most usable pages of one range. @param known an upper bound, at which the search stops */
  widest(_slot: number, grid: Grid, known = Infinity): number {
    const { starts, lasts, count } = this;
    let widest = 0;
    for (let i = 0; i < count && widest < known; i++) {
      const start = starts[i] as number;
      const last = lasts[i] as number;
      // Most ranges are too short at any alignment.
      if (last - start < widest) continue;
      const pages = usable(start, last, grid);
      if (pages > widest) widest = pages;
    }
    return widest;
  }
}

/**
 * A branch: nodes in ascending order. For each grid in use (a slot) it knows the most usable pages of one range under each
 * child: never too few, but too many if a range has become narrower since.
 */
export class RangeBranch {
  count = 0;
  readonly children: RangeNode[] = [];
  readonly starts: Float64Array;
  readonly widths: Float64Array[] = [];

  /** @param capacity the most children it holds */
  constructor(readonly capacity: number) {
    this.starts = new Float64Array(capacity);
  }

  /** Inserts a child; there must be room. */
  insertAt(index: number, child: RangeNode, grids: readonly Grid[]): void {
    makeRoom(this.starts, index, this.count);
    for (const row of this.widths) makeRoom(row, index, this.count);
    this.children.splice(index, 0, child);
    this.count += 1;
    this.remeasure(index, grids);
  }

  /** Removes a child. */
  removeAt(index: number): void {
    closeGap(this.starts, index, this.count);
    for (const row of this.widths) closeGap(row, index, this.count);
    this.children.splice(index, 1);
    this.count -= 1;
  }

  /** Reads the start and the usable pages of a child again. */
  remeasure(index: number, grids: readonly Grid[]): void {
    const child = this.children[index] as RangeNode;
    this.starts[index] = child.starts[0] as number;
    grids.forEach((grid, slot) => {
      this.widths[slot] ??= new Float64Array(this.capacity);
      this.widths[slot][index] = child.widest(slot, grid);
    });
  }

  /** Moves the upper half into a new branch. @returns the new branch */
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

  /** Adds all children of a branch that comes after this one; there must be room. */
  append(right: RangeBranch): void {
    this.starts.set(right.starts.subarray(0, right.count), this.count);
    this.widths.forEach((row, slot) => {
      row.set((right.widths[slot] as Float64Array).subarray(0, right.count), this.count);
    });
    this.children.push(...right.children);
    this.count += right.count;
  }

  /** Returns the most usable pages of one range, as far as the branch knows: never too few. */
  widest(slot: number, _grid: Grid): number {
    const row = this.widths[slot] as Float64Array;
    let widest = 0;
    for (let i = 0; i < this.count; i++) if ((row[i] as number) > widest) widest = row[i] as number;
    return widest;
  }
}

/** Moves the numbers from `index` on up by one. A loop costs less than `copyWithin` for so few numbers. */
function makeRoom(numbers: Float64Array, index: number, count: number): void {
  for (let i = count; i > index; i--) numbers[i] = numbers[i - 1] as number;
}

/** Moves the numbers after `index` down by one. */
function closeGap(numbers: Float64Array, index: number, count: number): void {
  for (let i = index + 1; i < count; i++) numbers[i - 1] = numbers[i] as number;
}

/** What a range must have to fit. */
export interface Fit {
  /** In pages. */
  readonly length: number;
  /** In pages, a power of two. */
  readonly alignment: number;
  /** The last page that it may hold. */
  readonly max: number;
}

/** The answer of a search if the first fit ends after the last page allowed. */
const BEYOND = -1;

/**
 * Finds the lowest page at which a fit lies in one range.
 * @param slot the index of the grid in `widths` of the branches
 * @returns the page; undefined if there is none
 */
export function firstFit(root: RangeNode, fit: Fit, grid: Grid, slot: number): number | undefined {
  const page = search(root, fit, grid, slot);
  return page < 0 ? undefined : page;
}

/**
 * Searches a node. A branch may believe that a child is wider than it is; the search then enters the child once in vain and
 * corrects the branch. It ends at the first fit, even if that is beyond `max`.
 * @returns the page, BEYOND, or the result of `noFit`
 */
function search(node: RangeNode, fit: Fit, grid: Grid, slot: number): number {
  return node instanceof RangeBranch ? searchBranch(node, fit, grid, slot) : searchLeaf(node, fit, grid);
}

function searchBranch(node: RangeBranch, fit: Fit, grid: Grid, slot: number): number {
  const row = node.widths[slot] as Float64Array;
  const { length } = fit;
  const { count } = node;
  let widest = 0;
  for (let index = 0; index < count; index++) {
    let pages = row[index] as number;
    if (pages >= length) {
      const answer = search(node.children[index] as RangeNode, fit, grid, slot);
      if (answer >= BEYOND) return answer;
      pages = widestOf(answer);
      row[index] = pages;
    }
    if (pages > widest) widest = pages;
  }
  return noFit(widest);
}

function searchLeaf({ starts, lasts, count }: RangeLeaf, fit: Fit, grid: Grid): number {
  const { length, max } = fit;
  let widest = 0;
  for (let index = 0; index < count; index++) {
    const page = firstOf(starts[index] as number, grid);
    const pages = (lasts[index] as number) + 1 - page;
    if (pages >= length) return page + length - 1 <= max ? page : BEYOND;
    if (pages > widest) widest = pages;
  }
  return noFit(widest);
}

/** Makes the answer that nothing fits, which tells the most usable pages of one range. */
function noFit(widest: number): number {
  return BEYOND - 1 - widest;
}

function widestOf(answer: number): number {
  return BEYOND - 1 - answer;
}
