import { firstOf, RangeBranch, type Grid, type RangeLeaf, type RangeNode } from './range-node.js';

/** What a fitting range has to offer. */
export interface Fit {
  /** Pages. */
  readonly length: number;
  /** In pages, a power of two. */
  readonly alignment: number;
  /** The last page that may be used. */
  readonly max: number;
}

/** What a search answers when the first fit is past the last page allowed. */
const BEYOND = -1;

/** Finds the lowest page where a fit goes, wholly within one range. @param slot where the branches have the grid's widths */
export function firstFit(root: RangeNode, fit: Fit, grid: Grid, slot: number): number | undefined {
  const page = search(root, fit, grid, slot);
  return page < 0 ? undefined : page;
}

/**
 * Enters in vain only what has become narrower since, which the branch then knows; past `max` it ends.
 * @returns the page, BEYOND, or what `nothing` makes
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
  return nothing(widest);
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
  return nothing(widest);
}

/** Says that nothing fits, and how many pages are usable at most. */
function nothing(widest: number): number {
  return BEYOND - 1 - widest;
}

function widestOf(answer: number): number {
  return BEYOND - 1 - answer;
}
