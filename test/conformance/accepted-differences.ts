import { isDeepStrictEqual } from 'node:util';

import type { IommuHwInfo } from '../../lib/kernel/iommufd.js';
import { IOMMU_HW_INFO_TYPE_NONE } from '../../lib/uapi/iommufd.js';
import { VFIO_REGION_INFO_FLAG_MMAP } from '../../lib/uapi/vfio.js';
import type { Call } from './program.js';

/** A difference between the two sides that is accepted. lib/software/README.md lists all of them. */
export interface AcceptedDifference {
  readonly name: string;
  readonly reason: string;
  /** Whether the sides are in different states afterwards, so that the rest of the program cannot be compared. */
  readonly endsProgram: boolean;
  applies(call: Call, real: unknown, software: unknown): boolean;
}

export const acceptedDifferences: readonly AcceptedDifference[] = [
  {
    name: 'edu BAR0 not mappable',
    reason:
      'vfio-pci offers every memory BAR of a page or more for mapping; the registers of a model have no memory behind them',
    endsProgram: false,
    applies: (call, real, software) =>
      call.call === 'getRegionInfo' && call.regionIndex === 0 && isDeepStrictEqual(withoutMmap(real), software),
  },
  {
    name: 'kind of the IOMMU',
    reason: 'the IOMMU of the software core has no registers that IOMMU_GET_HW_INFO could return',
    endsProgram: false,
    applies: (call, real, software) => call.call === 'getHwInfo' && isDeepStrictEqual(withoutRegisters(real), software),
  },
];

/** Removes the kind and the registers from the answer of IOMMU_GET_HW_INFO. */
function withoutRegisters(outcome: unknown): unknown {
  const { value } = outcome as { value?: IommuHwInfo };
  return value === undefined
    ? outcome
    : { value: { ...value, type: IOMMU_HW_INFO_TYPE_NONE, data: new Uint8Array(0) } };
}

/** Removes the flag MMAP from the answer of a region info. */
function withoutMmap(outcome: unknown): unknown {
  const { value } = outcome as { value?: { flags: number } };
  if (value === undefined) return outcome;
  return { value: { ...value, flags: value.flags & ~VFIO_REGION_INFO_FLAG_MMAP } };
}
