/** A range of pages with what is known of it. Page numbers are below 2^52, so a number holds them. */
export interface PageRange<T> {
  /** The first page. */
  readonly start: number;
  /** The last page, inclusive. */
  readonly last: number;
  readonly value: T;
}

interface Node<T> extends PageRange<T> {
  readonly priority: number;
  left: Node<T> | undefined;
  right: Node<T> | undefined;
  /** The length of the longest range of this subtree. */
  longest: number;
}

/** What a fitting range has to offer. */
export interface Fit {
  /** Pages. */
  readonly length: number;
  /** In pages, a power of two. */
  readonly alignment: number;
  /** The pages that may be used, inclusive. */
  readonly min: number;
  readonly max: number;
}

/**
 * Ranges of pages that do not overlap, in order, as a treap that knows the longest range under each node: finding,
 * adding, taking out and the first fit cost O(log n).
 */
export class RangeTree<T> {
  #root: Node<T> | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Adds a range that overlaps none that is there. */
  add(start: number, last: number, value: T): void {
    const node = { start, last, value, priority: Math.random(), left: undefined, right: undefined, longest: 0 };
    measure<T>(node);
    const [left, right] = split(this.#root, start);
    this.#root = merge(merge(left, node), right);
    this.#size += 1;
  }

  /** Takes out the range that starts at a page. @returns whether there was one */
  delete(start: number): boolean {
    const [left, rest] = split(this.#root, start);
    const [hit, right] = split(rest, start + 1);
    this.#root = merge(left, right);
    if (hit === undefined) return false;
    this.#size -= 1;
    return true;
  }

  clear(): void {
    this.#root = undefined;
    this.#size = 0;
  }

  /** Finds the range that holds a page, or else the first one after it. */
  atOrAfter(page: number): PageRange<T> | undefined {
    let best: Node<T> | undefined;
    for (let node = this.#root; node !== undefined;) {
      if (node.last >= page) {
        best = node;
        node = node.left;
      } else node = node.right;
    }
    return best;
  }

  /** Finds the first range that overlaps [start, last]. */
  overlapping(start: number, last: number): PageRange<T> | undefined {
    const found = this.atOrAfter(start);
    return found !== undefined && found.start <= last ? found : undefined;
  }

  /** Gives all ranges in order. */
  *[Symbol.iterator](): Generator<PageRange<T>> {
    const path: Node<T>[] = [];
    let node = this.#root;
    while (node !== undefined || path.length > 0) {
      for (; node !== undefined; node = node.left) path.push(node);
      const next = path.pop();
      if (next === undefined) return;
      yield next;
      node = next.right;
    }
  }

  /** Finds the lowest page where `fit` goes, wholly within one range. */
  firstFit(fit: Fit): number | undefined {
    return firstFit(this.#root, fit);
  }
}

function firstFit<T>(node: Node<T> | undefined, fit: Fit): number | undefined {
  if (node === undefined || node.longest < fit.length) return undefined;
  // All to the left ends before this range does.
  if (node.start > fit.min) {
    const left = firstFit(node.left, fit);
    if (left !== undefined) return left;
  }
  const page = alignUp(Math.max(node.start, fit.min), fit.alignment);
  if (page + fit.length - 1 <= Math.min(node.last, fit.max)) return page;
  return node.last >= fit.max ? undefined : firstFit(node.right, fit);
}

/** Rounds up to a power of two; not by bits, which end at 32. */
function alignUp(page: number, alignment: number): number {
  return Math.ceil(page / alignment) * alignment;
}

/** Parts a tree into what starts below a page and the rest. */
function split<T>(node: Node<T> | undefined, page: number): [Node<T> | undefined, Node<T> | undefined] {
  if (node === undefined) return [undefined, undefined];
  if (node.start < page) {
    const [left, right] = split(node.right, page);
    node.right = left;
    measure(node);
    return [node, right];
  }
  const [left, right] = split(node.left, page);
  node.left = right;
  measure(node);
  return [left, node];
}

/** Joins two trees, all of the left one before all of the right one. */
function merge<T>(left: Node<T> | undefined, right: Node<T> | undefined): Node<T> | undefined {
  if (left === undefined) return right;
  if (right === undefined) return left;
  if (left.priority > right.priority) {
    left.right = merge(left.right, right);
    measure(left);
    return left;
  }
  right.left = merge(left, right.left);
  measure(right);
  return right;
}

function measure<T>(node: Node<T>): void {
  node.longest = Math.max(node.last - node.start + 1, node.left?.longest ?? 0, node.right?.longest ?? 0);
}
