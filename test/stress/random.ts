import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

/** Returns integers from `low` to `high`, the same sequence for the same seed. */
export type Random = (low: number, high: number) => number;

/** Creates a generator. */
export function randomOf(seed: number): Random {
  const generator = xoroshiro128plus(seed);
  return (low, high) => uniformInt(generator, low, high);
}
