import { isDeepStrictEqual } from 'node:util';

import { VFIO_REGION_INFO_FLAG_MMAP } from '../../lib/uapi/vfio.js';
import type { Call } from './program.js';

/** A difference between the two sides that stays, with its reason. The README's limits list the same ones. */
export interface Decision {
  readonly name: string;
  readonly reason: string;
  /** Whether the sides' states differ from here on, so that the rest of the program says nothing. */
  readonly endsProgram: boolean;
  applies(call: Call, real: unknown, software: unknown): boolean;
}

export const decisions: readonly Decision[] = [
  {
    name: 'edu BAR0 not mappable',
    reason: "vfio-pci offers every memory BAR of a page or more for mapping; a model's registers have no memory to map",
    endsProgram: false,
    applies: (call, real, software) =>
      call.call === 'getRegionInfo' && call.regionIndex === 0 && isDeepStrictEqual(withoutMmap(real), software),
  },
];

/** An answer of region info without the flag MMAP. */
function withoutMmap(outcome: unknown): unknown {
  const { value } = outcome as { value?: { flags: number } };
  if (value === undefined) return outcome;
  return { value: { ...value, flags: value.flags & ~VFIO_REGION_INFO_FLAG_MMAP } };
}
