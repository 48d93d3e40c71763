import type { BarLayout } from '../pci-model.js';

/** Counts the 32-bit BAR registers that a BAR occupies. */
export function barRegisters(bar: BarLayout): 1 | 2 {
  return bar.kind === 'memory64' ? 2 : 1;
}

/** Lists the areas of a BAR that the client may map, in ascending order. */
export function mappedAreas(bar: BarLayout): readonly { readonly offset: number; readonly size: number }[] {
  if (bar.mapped === true) return [{ offset: 0, size: bar.size }];
  return bar.mapped ?? [];
}
