import {
  firstFit,
  floorIndex,
  RangeBranch,
  RangeLeaf,
  usable,
  type Fit,
  type Grid,
  type RangeNode,
} from './range-node.js';

/** A range of pages. Page numbers are below 2^52, so a number is exact. */
export interface PageRange {
  /** The first page. */
  readonly start: number;
  /** The last page, inclusive. */
  readonly last: number;
}

/** Branches are wide, so that the tree is hardly deeper with 65,535 ranges than with 100. */
const BRANCH_CAPACITY = 64;
/** Leaves are narrower, because all of a leaf is read when its widest range becomes narrower. */
const LEAF_CAPACITY = 32;

/**
 * Ranges of pages that do not overlap, in order. A B+-tree that knows for each alignment that was ever requested how much
 * of one range is usable at most under each node. To find, add, delete and fit costs O(log n) for any alignment, on
 * average: when a range has become narrower, the next search that passes corrects the branches above it, once. The first
 * fit of a new alignment costs O(n).
 */
export class RangeTree {
  readonly #leafCapacity: number;
  readonly #branchCapacity: number;
  readonly #lowest: number;
  readonly #grids: Grid[] = [];
  #root: RangeNode;
  #size = 0;
  /** The path of the last descent: the branches, the index of the child in each, and the leaf. */
  readonly #branches: RangeBranch[] = [];
  readonly #indexes: number[] = [];
  #leaf: RangeLeaf;
  /** Whether no node was split, joined or removed since the last descent. */
  #settled = false;

  /** @param lowest the first page at which a fit may begin. @param capacities the most entries of a node, 4 at least */
  constructor(lowest = 0, { leaf = LEAF_CAPACITY, branch = BRANCH_CAPACITY } = {}) {
    this.#lowest = lowest;
    this.#leafCapacity = leaf;
    this.#branchCapacity = branch;
    this.#leaf = new RangeLeaf(leaf);
    this.#root = this.#leaf;
  }

  /** The number of ranges. */
  get size(): number {
    return this.#size;
  }

  /** Adds a range. It must not overlap another one. */
  add(start: number, last: number): void {
    this.#descend(start);
    if (this.#leaf.count === this.#leaf.capacity) this.#makeRoom(start);
    const index = floorIndex(this.#leaf.starts, this.#leaf.count, start) + 1;
    this.#leaf.insertAt(index, start, last);
    this.#size += 1;
    if (index === 0) this.#rekey();
    this.#widen(start, last);
  }

  /** Deletes the range that starts at a page. @returns whether there was one */
  delete(start: number): boolean {
    const index = this.#find(start);
    if (index < 0) return false;
    const leaf = this.#leaf;
    const last = leaf.lasts[index] as number;
    leaf.removeAt(index);
    this.#size -= 1;
    if (index === 0) this.#rekey();
    this.#narrow(start, last);
    if (leaf.count <= leaf.capacity >> 2) this.#shrink(start);
    return true;
  }

  /** Changes the bounds of the range that starts at a page. It must not overlap its neighbours then. */
  resize(start: number, newStart: number, newLast: number): void {
    const index = this.#find(start);
    if (index < 0) return;
    const { starts, lasts } = this.#leaf;
    const last = lasts[index] as number;
    starts[index] = newStart;
    lasts[index] = newLast;
    if (index === 0) this.#rekey();
    if (newStart > start || newLast < last) this.#narrow(start, last);
    if (newStart < start || newLast > last) this.#widen(newStart, newLast);
  }

  /** Finds the range that holds a page, else the first one after it. */
  atOrAfter(page: number): PageRange | undefined {
    this.#descend(page);
    const index = floorIndex(this.#leaf.starts, this.#leaf.count, page);
    if (index >= 0 && (this.#leaf.lasts[index] as number) >= page) return entry(this.#leaf, index);
    if (index + 1 < this.#leaf.count) return entry(this.#leaf, index + 1);
    for (let level = this.#branches.length - 1; level >= 0; level--) {
      const next = this.#branches[level]?.children[(this.#indexes[level] as number) + 1];
      if (next !== undefined) return firstEntry(next);
    }
    return undefined;
  }

  /** Finds the first range that overlaps [start, last]. */
  overlapping(start: number, last: number): PageRange | undefined {
    const found = this.atOrAfter(start);
    return found !== undefined && found.start <= last ? found : undefined;
  }

  /** Returns all ranges in ascending order. */
  [Symbol.iterator](): Generator<PageRange> {
    return entries(this.#root);
  }

  /** Finds the lowest page at which `fit` lies in one range. @returns undefined if there is none */
  firstFit(fit: Fit): number | undefined {
    const slot = this.#slotOf(fit.alignment);
    return firstFit(this.#root, fit, this.#grids[slot] as Grid, slot);
  }

  #slotOf(alignment: number): number {
    const known = this.#grids.findIndex((grid) => grid.alignment === alignment);
    if (known >= 0) return known;
    this.#grids.push({ alignment, perAlignment: 1 / alignment, lowest: this.#lowest });
    measureAll(this.#root, this.#grids);
    return this.#grids.length - 1;
  }

  /** Descends to the leaf that holds, or would hold, the range of a page. Often it is the leaf of the last descent. */
  #descend(page: number): void {
    const { starts, count } = this.#leaf;
    if (count > 0 && (starts[0] as number) <= page && page <= (starts[count - 1] as number) && this.#settled) return;
    this.#settled = true;
    let node = this.#root;
    let level = 0;
    for (; node instanceof RangeBranch; level++) {
      const index = Math.max(0, floorIndex(node.starts, node.count, page));
      this.#branches[level] = node;
      this.#indexes[level] = index;
      node = node.children[index] as RangeNode;
    }
    // To assign a length costs as much as the descent.
    if (this.#branches.length !== level) this.#branches.length = level;
    this.#leaf = node;
  }

  /** Descends to the range that starts at a page. @returns its index in the leaf; -1 if there is none */
  #find(start: number): number {
    this.#descend(start);
    const index = floorIndex(this.#leaf.starts, this.#leaf.count, start);
    return index >= 0 && this.#leaf.starts[index] === start ? index : -1;
  }

  /** Tells the branches that the leaf begins at another page. */
  #rekey(): void {
    if (this.#leaf.count === 0) return;
    let node: RangeNode = this.#leaf;
    for (let level = this.#branches.length - 1; level >= 0; level--) {
      const branch = this.#branches[level] as RangeBranch;
      branch.starts[this.#indexes[level] as number] = node.starts[0] as number;
      node = branch;
    }
  }

  /** Tells the branches that a range of the leaf is new or wider. */
  #widen(start: number, last: number): void {
    for (let slot = 0; slot < this.#grids.length; slot++) {
      const pages = usable(start, last, this.#grids[slot] as Grid);
      for (let level = this.#branches.length - 1; level >= 0; level--) {
        const row = this.#branches[level]?.widths[slot] as Float64Array;
        const index = this.#indexes[level] as number;
        if ((row[index] as number) >= pages) break;
        row[index] = pages;
      }
    }
  }

  /**
   * Tells the lowest branch that a range of the leaf is gone or narrower, while the leaf is in the cache. The next search
   * that passes corrects the branches above.
   */
  #narrow(oldStart: number, oldLast: number): void {
    const level = this.#branches.length - 1;
    const branch = this.#branches[level];
    if (branch === undefined) return;
    const index = this.#indexes[level] as number;
    for (let slot = 0; slot < this.#grids.length; slot++) {
      const row = branch.widths[slot] as Float64Array;
      const grid = this.#grids[slot] as Grid;
      const known = row[index] as number;
      if (usable(oldStart, oldLast, grid) >= known) row[index] = this.#leaf.widest(slot, grid, known);
    }
  }

  /** Splits full nodes until the leaf of a page has room; the highest first, so that each finds room above it. */
  #makeRoom(page: number): void {
    while (this.#leaf.count === this.#leaf.capacity) {
      let level = this.#branches.length;
      while (level > 0 && this.#branches[level - 1]?.count === this.#branchCapacity) level -= 1;
      if (level === 0) {
        const root = new RangeBranch(this.#branchCapacity);
        root.insertAt(0, this.#root, this.#grids);
        this.#root = root;
      } else {
        const branch = this.#branches[level - 1] as RangeBranch;
        const index = this.#indexes[level - 1] as number;
        const right = (branch.children[index] as RangeNode).split();
        branch.remeasure(index, this.#grids);
        branch.insertAt(index + 1, right, this.#grids);
      }
      this.#settled = false;
      this.#descend(page);
    }
  }

  /** Removes empty nodes and joins small ones with a neighbour, from the leaf up. */
  #shrink(page: number): void {
    for (let level = this.#branches.length - 1; level >= 0; level--) {
      const branch = this.#branches[level] as RangeBranch;
      if (!this.#shrinkChild(branch, this.#indexes[level] as number)) break;
    }
    while (this.#root instanceof RangeBranch && this.#root.count <= 1) {
      this.#root = this.#root.children[0] ?? new RangeLeaf(this.#leafCapacity);
    }
    this.#settled = false;
    this.#descend(page);
    this.#rekey();
  }

  /** Removes a child that is empty, or joins it with a neighbour if both are small. @returns whether the branch has one less */
  #shrinkChild(branch: RangeBranch, index: number): boolean {
    const child = branch.children[index] as RangeNode;
    if (child.count === 0) {
      branch.removeAt(index);
      return true;
    }
    if (child.count > child.capacity >> 2) return false;
    const at = index + 1 < branch.count ? index : index - 1;
    const [left, right] = [branch.children[at], branch.children[at + 1]];
    if (left === undefined || right === undefined || left.count + right.count > left.capacity >> 1) return false;
    if (left instanceof RangeLeaf) left.append(right as RangeLeaf);
    else left.append(right as RangeBranch);
    branch.removeAt(at + 1);
    branch.remeasure(at, this.#grids);
    return true;
  }
}

/** Returns a range of a leaf. */
function entry({ starts, lasts }: RangeLeaf, index: number): PageRange {
  return { start: starts[index] as number, last: lasts[index] as number };
}

function firstEntry(node: RangeNode): PageRange {
  return node instanceof RangeLeaf ? entry(node, 0) : firstEntry(node.children[0] as RangeNode);
}

function* entries(node: RangeNode): Generator<PageRange> {
  if (node instanceof RangeBranch) for (const child of node.children) yield* entries(child);
  else for (let index = 0; index < node.count; index++) yield entry(node, index);
}

/** Measures all branches under a node for all grids. */
function measureAll(node: RangeNode, grids: readonly Grid[]): void {
  if (node instanceof RangeLeaf) return;
  for (const child of node.children) measureAll(child, grids);
  for (let index = 0; index < node.count; index++) node.remeasure(index, grids);
}
