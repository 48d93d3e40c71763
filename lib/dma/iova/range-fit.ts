import { firstOf, RangeBranch, type Grid, type RangeLeaf, type RangeNode } from './range-node.js';

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
