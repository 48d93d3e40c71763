import type { DriverContext } from '../../../lib/index.js';

/** Adds up the first words of region 0 and leaves the sum behind them. */
export default function sum(context: DriverContext): number {
  const region = context.region(0);
  const { words } = context.args as { words: number };
  let total = 0;
  for (let word = 0; word < words; word++) total += region.read32(word * 4);
  region.write32(words * 4, total);
  return total;
}
