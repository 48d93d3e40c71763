import fc from 'fast-check';

import { argsz, container, device, group, usually, weighted } from './arbitraries.js';

/** A call on a container or a group. A container's slot from `SLOTS.containers` on is an iommufd in the place of a container. */
export type GroupCall =
  | { readonly call: 'openContainer'; readonly container: number }
  | { readonly call: 'closeContainer'; readonly container: number }
  | { readonly call: 'getApiVersion'; readonly container: number }
  | { readonly call: 'checkExtension'; readonly container: number; readonly extension: number }
  | { readonly call: 'setIommu'; readonly container: number; readonly type: number }
  | { readonly call: 'getIommuInfo'; readonly container: number; readonly argsz: number }
  | ({ readonly call: 'mapDma'; readonly container: number } & MapArguments)
  | ({ readonly call: 'unmapDma'; readonly container: number } & UnmapArguments)
  | { readonly call: 'openGroup'; readonly group: number; readonly process: number }
  | { readonly call: 'closeGroup'; readonly group: number; readonly process: number }
  | { readonly call: 'getGroupStatus'; readonly group: number; readonly argsz: number }
  | { readonly call: 'setContainer'; readonly group: number; readonly container: number }
  | { readonly call: 'setContainerTo'; readonly group: number; readonly target: 'closed' | 'eventfd' | 'group' }
  | { readonly call: 'unsetContainer'; readonly group: number }
  | { readonly call: 'getDeviceFd'; readonly group: number; readonly device: number; readonly name: DeviceName };

/** Pages have 4 KiB. An oddity makes one argument invalid. */
export interface MapArguments {
  readonly iova: bigint;
  readonly page: number;
  readonly pages: number;
  readonly flags: number;
  readonly oddity: 'none' | 'argsz' | 'vaddr+1' | 'vaddr 0' | 'size 100' | 'iova+0x800' | 'size 0' | 'wrap';
}

export interface UnmapArguments {
  readonly iova: bigint;
  readonly pages: number;
  readonly flags: number;
  readonly oddity: 'none' | 'argsz' | 'size 100' | 'iova+0x800' | 'size 0' | 'all';
}

export type DeviceName = 'own' | 'other' | 'nope' | 'empty' | 'short';

const process = fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constant(1) });

/** A few pages, which collide often, and the borders of the address space. */
const iova = fc.oneof(
  { weight: 8, arbitrary: fc.nat(12).map((page) => BigInt(page) * 0x1000n + 0x10000n) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(0n, 0xfee00000n, 0xfedff000n, 0xfeeff000n, 1n << 47n, 1n << 48n, (1n << 64n) - 0x1000n),
  },
);

const mapArguments: fc.Arbitrary<MapArguments> = fc.record({
  iova,
  page: fc.nat(11),
  pages: fc.constantFrom(1, 1, 2, 4),
  flags: fc.constantFrom(3, 3, 3, 1, 2, 0, 0x83, 4, 5, 7),
  oddity: usually('argsz', 'vaddr+1', 'vaddr 0', 'size 100', 'iova+0x800', 'size 0', 'wrap'),
});

const unmapArguments: fc.Arbitrary<UnmapArguments> = fc.record({
  iova,
  pages: fc.constantFrom(1, 1, 2, 4, 16),
  flags: fc.constantFrom(0, 0, 0, 0, 2, 1, 4, 0x80, 3),
  oddity: usually('argsz', 'size 100', 'iova+0x800', 'size 0', 'all'),
});

const name = fc.constantFrom<DeviceName>('own', 'own', 'own', 'own', 'other', 'nope', 'empty', 'short');

/** Makes the calls on what is open in the place of a container. @param anyContainer its slot */
export function containerCalls(anyContainer: fc.Arbitrary<number>): fc.Arbitrary<GroupCall> {
  return fc.oneof(
    weighted(1, { call: fc.constant('getApiVersion' as const), container: anyContainer }),
    weighted(2, {
      call: fc.constant('checkExtension' as const),
      container: anyContainer,
      extension: fc.constantFrom(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 999),
    }),
    weighted(4, {
      call: fc.constant('setIommu' as const),
      container: anyContainer,
      type: fc.constantFrom(3, 3, 3, 3, 1, 1, 2, 8, 9, 0),
    }),
    weighted(2, { call: fc.constant('getIommuInfo' as const), container: anyContainer, argsz }),
    {
      weight: 8,
      arbitrary: fc
        .tuple(anyContainer, mapArguments)
        .map(([c, a]) => ({ call: 'mapDma' as const, container: c, ...a })),
    },
    {
      weight: 6,
      arbitrary: fc
        .tuple(anyContainer, unmapArguments)
        .map(([c, a]) => ({ call: 'unmapDma' as const, container: c, ...a })),
    },
  );
}

/** Makes the calls that open and close containers. */
export const containerFiles: fc.Arbitrary<GroupCall> = fc.oneof(
  weighted(4, { call: fc.constant('openContainer' as const), container }),
  weighted(1, { call: fc.constant('closeContainer' as const), container }),
);

/** Makes the calls on groups. @param anyContainer the slot of what a group joins */
export function groupCalls(anyContainer: fc.Arbitrary<number>): fc.Arbitrary<GroupCall> {
  return fc.oneof(
    weighted(5, { call: fc.constant('openGroup' as const), group, process }),
    weighted(1, { call: fc.constant('closeGroup' as const), group, process }),
    weighted(3, { call: fc.constant('getGroupStatus' as const), group, argsz }),
    weighted(5, { call: fc.constant('setContainer' as const), group, container: anyContainer }),
    weighted(1, {
      call: fc.constant('setContainerTo' as const),
      group,
      target: fc.constantFrom('closed', 'eventfd', 'group'),
    }),
    weighted(1, { call: fc.constant('unsetContainer' as const), group }),
    weighted(5, { call: fc.constant('getDeviceFd' as const), group, device, name }),
  );
}
