import fc from 'fast-check';

/**
 * A call of a random program on `VfioKernel`. A program names descriptors by slots, not by numbers, so that it means the
 * same on the real kernel and on the software core. A call on an empty slot is skipped on both.
 */
export type Call =
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
  | { readonly call: 'getDeviceFd'; readonly group: number; readonly device: number; readonly name: DeviceName }
  | { readonly call: 'closeDevice'; readonly device: number }
  | { readonly call: 'getDeviceInfo'; readonly device: number; readonly argsz: number }
  | { readonly call: 'getRegionInfo'; readonly device: number; readonly regionIndex: number; readonly argsz: number }
  | { readonly call: 'getIrqInfo'; readonly device: number; readonly irqIndex: number; readonly argsz: number }
  | { readonly call: 'read'; readonly device: number; readonly place: Place; readonly length: number }
  | {
      readonly call: 'write';
      readonly device: number;
      readonly place: Place;
      readonly length: number;
      readonly value: number;
    }
  | { readonly call: 'setCommand'; readonly device: number; readonly value: number }
  | ({ readonly call: 'setIrqs'; readonly device: number } & IrqArguments)
  | { readonly call: 'eduDma'; readonly device: number; readonly iovaPage: number; readonly toDevice: boolean };

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

/** A register or an offset without one. Its value is the same on every machine. */
export interface Place {
  readonly regionIndex: number;
  readonly offset: number;
}

export interface IrqArguments {
  readonly irqIndex: number;
  readonly start: number;
  readonly count: number;
  readonly data: 'none' | 'bool' | 'eventfd' | 'badfd' | 'two types' | 'no type';
  readonly action: 'mask' | 'unmask' | 'trigger' | 'unknown';
}

export type DeviceName = 'own' | 'other' | 'nope' | 'empty' | 'short';

/** How many descriptors of each kind a program can have open. */
export const SLOTS = { containers: 2, groups: 4, devices: 3, processes: 2 } as const;

/** The first slot most of the time, because the prelude fills it. */
const mostlyFirst = (last: number) =>
  fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(last) });
const container = mostlyFirst(SLOTS.containers - 1);
const group = mostlyFirst(SLOTS.groups - 1);
const device = mostlyFirst(SLOTS.devices - 1);
const process = fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constant(1) });
/** Most of the time 0, which means the size of the structure. */
const argsz = fc.oneof(
  { weight: 6, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.constantFrom(4, 8, 16, 64) },
);

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

const irqArguments: fc.Arbitrary<IrqArguments> = fc.record({
  irqIndex: fc.constantFrom(0, 0, 1, 1, 1, 2, 3, 4, 5, 99),
  start: fc.constantFrom(0, 0, 0, 1, 64),
  count: fc.constantFrom(1, 1, 1, 0, 2),
  data: fc.constantFrom('none', 'none', 'eventfd', 'eventfd', 'bool', 'badfd', 'two types', 'no type'),
  action: fc.constantFrom('trigger', 'trigger', 'trigger', 'mask', 'unmask', 'unknown'),
});

/** Offsets whose values depend only on the program: no BAR addresses, no state that changes by itself. */
const place: fc.Arbitrary<Place> = fc.oneof(
  { weight: 3, arbitrary: at(7, 0, 2, 4, 8, 0x0a, 0x2c, 0x34, 0x3d, 0x40, 0x42, 0x44, 0x48, 0x4c, 0xfe, 0x100, 0x104) },
  { weight: 3, arbitrary: at(0, 0, 2, 4, 0x20, 0x24, 0x80, 0x88, 0x40000, 0xffffc, 0x100000) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom(1, 5, 6, 8, 9, 11), fc.constantFrom(0, 4))
      .map(([r, o]) => ({ regionIndex: r, offset: o })),
  },
);
const writablePlace = fc.oneof(
  at(0, 4, 0x80, 0x88, 0x90, 0x100000),
  at(7, 0, 0x3c, 0x40, 0x42, 0x43, 0x44, 0x48, 0x4c, 0x100, 0x104),
  at(1, 0),
  at(9, 0),
);

const name = fc.constantFrom<DeviceName>('own', 'own', 'own', 'own', 'other', 'nope', 'empty', 'short');

/** Calls by weight. The calls that open files are frequent, so that programs get to the deep states. */
const call: fc.Arbitrary<Call> = fc.oneof(
  weighted(4, { call: fc.constant('openContainer' as const), container }),
  weighted(1, { call: fc.constant('closeContainer' as const), container }),
  weighted(1, { call: fc.constant('getApiVersion' as const), container }),
  weighted(2, {
    call: fc.constant('checkExtension' as const),
    container,
    extension: fc.constantFrom(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 999),
  }),
  weighted(4, {
    call: fc.constant('setIommu' as const),
    container,
    type: fc.constantFrom(3, 3, 3, 3, 1, 1, 2, 8, 9, 0),
  }),
  weighted(2, { call: fc.constant('getIommuInfo' as const), container, argsz }),
  {
    weight: 8,
    arbitrary: fc.tuple(container, mapArguments).map(([c, a]) => ({ call: 'mapDma' as const, container: c, ...a })),
  },
  {
    weight: 6,
    arbitrary: fc.tuple(container, unmapArguments).map(([c, a]) => ({ call: 'unmapDma' as const, container: c, ...a })),
  },
  weighted(5, { call: fc.constant('openGroup' as const), group, process }),
  weighted(1, { call: fc.constant('closeGroup' as const), group, process }),
  weighted(3, { call: fc.constant('getGroupStatus' as const), group, argsz }),
  weighted(5, { call: fc.constant('setContainer' as const), group, container }),
  weighted(1, {
    call: fc.constant('setContainerTo' as const),
    group,
    target: fc.constantFrom('closed', 'eventfd', 'group'),
  }),
  weighted(1, { call: fc.constant('unsetContainer' as const), group }),
  weighted(5, { call: fc.constant('getDeviceFd' as const), group, device, name }),
  weighted(1, { call: fc.constant('closeDevice' as const), device }),
  weighted(1, { call: fc.constant('getDeviceInfo' as const), device, argsz }),
  weighted(2, { call: fc.constant('getRegionInfo' as const), device, regionIndex: fc.nat(10), argsz }),
  weighted(2, { call: fc.constant('getIrqInfo' as const), device, irqIndex: fc.nat(6), argsz }),
  weighted(4, { call: fc.constant('read' as const), device, place, length: fc.constantFrom(4, 4, 1, 2, 8, 0, 3) }),
  weighted(3, {
    call: fc.constant('write' as const),
    device,
    place: writablePlace,
    length: fc.constantFrom(4, 1, 2, 8),
    value: fc.nat(0xffff),
  }),
  weighted(2, { call: fc.constant('setCommand' as const), device, value: fc.constantFrom(0, 2, 4, 6, 7, 0x406) }),
  {
    weight: 5,
    arbitrary: fc.tuple(device, irqArguments).map(([d, a]) => ({ call: 'setIrqs' as const, device: d, ...a })),
  },
);

/** The calls that open a device. Most programs start with some of them, so that they get to the interesting states. */
const attached: readonly Call[] = [
  { call: 'openContainer', container: 0 },
  { call: 'openGroup', group: 0, process: 0 },
  { call: 'setContainer', group: 0, container: 0 },
  { call: 'setIommu', container: 0, type: 3 },
  { call: 'getDeviceFd', group: 0, device: 0, name: 'own' },
];
const prelude = fc.oneof(
  { weight: 2, arbitrary: fc.constant<readonly Call[]>([]) },
  { weight: 3, arbitrary: fc.nat(attached.length).map((count) => attached.slice(0, count)) },
  { weight: 3, arbitrary: fc.constant(attached) },
);

/** A transfer takes 100 ms on the real edu, so that few programs have one, as their last call. */
const dma = fc.oneof(
  { weight: 40, arbitrary: fc.constant<readonly Call[]>([]) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.nat(12), fc.boolean())
      .map(([iovaPage, toDevice]): readonly Call[] => [{ call: 'eduDma', device: 0, iovaPage, toDevice }]),
  },
);

/** Makes programs of at most `maxCalls` calls. */
export function programs(maxCalls: number): fc.Arbitrary<readonly Call[]> {
  const body = fc.array(call, { minLength: 1, maxLength: maxCalls - attached.length - 1, size: 'max' });
  return fc.tuple(prelude, body, dma).map(([first, middle, last]) => [...first, ...middle, ...last]);
}

function weighted<T extends object>(
  weight: number,
  model: { [K in keyof T]: fc.Arbitrary<T[K]> },
): fc.WeightedArbitrary<T> {
  return { weight, arbitrary: fc.record(model) as fc.Arbitrary<T> };
}

function usually<T extends string>(...odd: T[]): fc.Arbitrary<T | 'none'> {
  return fc.oneof(
    { weight: 5, arbitrary: fc.constant('none' as const) },
    { weight: 1, arbitrary: fc.constantFrom(...odd) },
  );
}

function at(regionIndex: number, ...offsets: number[]): fc.Arbitrary<Place> {
  return fc.constantFrom(...offsets).map((offset) => ({ regionIndex, offset }));
}
