import fc from 'fast-check';

import { device, group, mostlyFirst, SLOTS, weighted } from './arbitraries.js';

/** What a call on an iommufd is made on: the slot of an iommufd, or a descriptor that is not an iommufd's. */
export type IommufdPlace = number | 'container' | 'group' | 'device' | 'closed';

/** An object of an iommufd: the `index`th id of its kind that the program got, or a plain number. */
export interface ObjectRef {
  readonly of: 'ioas' | 'hwpt' | 'device' | 'number';
  readonly index: number;
}

/** A range of IOVAs: a plain one, or (a part of) the `area`th mapping that the program made, in its own IOAS. */
export type RangeRef =
  | { readonly iova: bigint; readonly size: bigint }
  | { readonly area: number; readonly part: 'all' | 'first page' | 'last page' | 'larger' };

/** A call on an iommufd, or one that brings a device to it. */
export type IommufdCall =
  | { readonly call: 'openIommufd'; readonly iommufd: number }
  | { readonly call: 'closeIommufd'; readonly iommufd: number }
  | { readonly call: 'openCdev'; readonly cdevOf: number; readonly cdev: number }
  | { readonly call: 'bindIommufd'; readonly cdev: number; readonly on: IommufdPlace }
  | { readonly call: 'attach'; readonly cdev: number; readonly to: ObjectRef }
  | { readonly call: 'detach'; readonly cdev: number }
  | { readonly call: 'allocIoas'; readonly on: IommufdPlace }
  | { readonly call: 'getIovaRanges'; readonly on: IommufdPlace; readonly ioas: ObjectRef }
  | {
      readonly call: 'allowIovas';
      readonly on: IommufdPlace;
      readonly ioas: ObjectRef;
      readonly ranges: readonly { readonly start: bigint; readonly last: bigint }[];
    }
  | ({ readonly call: 'mapIoas'; readonly on: IommufdPlace } & IoasMapArguments)
  | {
      readonly call: 'copyIoas';
      readonly on: IommufdPlace;
      readonly from: ObjectRef;
      readonly to: ObjectRef;
      readonly flags: number;
      readonly range: RangeRef;
      readonly toIova: bigint;
    }
  | {
      readonly call: 'unmapIoas';
      readonly on: IommufdPlace;
      readonly ioas: ObjectRef;
      readonly range: RangeRef;
    }
  | { readonly call: 'getOption'; readonly on: IommufdPlace; readonly option: number; readonly object: ObjectRef }
  | {
      readonly call: 'setOption';
      readonly on: IommufdPlace;
      readonly option: number;
      readonly object: ObjectRef;
      readonly value: bigint;
    }
  | { readonly call: 'destroy'; readonly on: IommufdPlace; readonly object: ObjectRef }
  | {
      readonly call: 'allocHwpt';
      readonly on: IommufdPlace;
      readonly flags: number;
      readonly user: ObjectRef;
      readonly parent: ObjectRef;
    }
  | { readonly call: 'setTracking'; readonly on: IommufdPlace; readonly hwpt: ObjectRef; readonly enabled: boolean }
  | {
      readonly call: 'getDirty';
      readonly on: IommufdPlace;
      readonly hwpt: ObjectRef;
      readonly iova: bigint;
      readonly size: bigint;
      readonly pageSize: bigint;
    }
  | { readonly call: 'getHwInfo'; readonly on: IommufdPlace; readonly user: ObjectRef };

/** The memory is `page` pages and `offset` bytes behind the start of the arena. */
interface IoasMapArguments {
  readonly ioas: ObjectRef;
  readonly flags: number;
  readonly page: number;
  readonly offset: number;
  readonly iova: bigint;
  readonly size: bigint;
  readonly vaddr: 'arena' | 'null' | 'last page' | 'wraps';
}

const U64 = 1n << 64n;

const on: fc.Arbitrary<IommufdPlace> = fc.oneof(
  { weight: 30, arbitrary: mostlyFirst(SLOTS.iommufds - 1) },
  { weight: 1, arbitrary: fc.constantFrom('container', 'group', 'device', 'closed') },
);

/** Makes references to objects: of one kind most of the time. */
function ref(of: 'ioas' | 'hwpt' | 'device'): fc.Arbitrary<ObjectRef> {
  const index = mostlyFirst(3);
  return fc.oneof(
    { weight: 14, arbitrary: fc.record({ of: fc.constant(of), index }) },
    { weight: 1, arbitrary: fc.record({ of: fc.constantFrom('ioas', 'hwpt', 'device'), index }) },
    {
      weight: 1,
      arbitrary: fc.record({ of: fc.constant('number'), index: fc.constantFrom(0, 1, 2, 3, 999, 2 ** 31) }),
    },
  );
}
const ioas = ref('ioas');
const hwpt = ref('hwpt');
const user = ref('device');
const anyObject = fc.oneof(ioas, hwpt, user);
const pageTable = fc.oneof(
  { weight: 3, arbitrary: ioas },
  { weight: 2, arbitrary: hwpt },
  { weight: 1, arbitrary: user },
);

/** A few pages, which collide often, parts of pages, and the borders of the address space. */
const iova = fc.oneof(
  { weight: 12, arbitrary: fc.nat(7).map((page) => BigInt(page) * 0x1000n + 0x10000n) },
  { weight: 1, arbitrary: fc.nat(12).map((half) => BigInt(half) * 0x800n + 0x10000n) },
  { weight: 1, arbitrary: fc.constantFrom(0x10001n, 0x10003n, 0x10fffn) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      ...[0n, 0x1000n, 0xfedff000n, 0xfee00000n, 0xfeeff000n, 0xfef00000n],
      ...[1n << 47n, (1n << 48n) - 0x1000n, 1n << 48n, 1n << 63n, U64 - 0x2000n, U64 - 0x1000n, U64 - 2n, U64 - 1n],
    ),
  },
);
const size = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom(0x1000n, 0x1000n, 0x2000n, 0x4000n) },
  { weight: 2, arbitrary: fc.constantFrom(0x800n, 0x1800n, 100n, 1n, 2n) },
  { weight: 1, arbitrary: fc.constantFrom(0n, U64 - 0x1000n, U64 - 2n, U64 - 1n) },
);
const rangeSize = fc.oneof(
  { weight: 6, arbitrary: size },
  { weight: 2, arbitrary: fc.constantFrom(0x10000n, 0x100000n, 1n << 48n, 1n << 63n, U64 - 1n) },
);
const range: fc.Arbitrary<RangeRef> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      area: mostlyFirst(4),
      part: fc.constantFrom('all', 'all', 'all', 'first page', 'last page', 'larger'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ iova, size: rangeSize }) },
);
/** READABLE and WRITEABLE with FIXED_IOVA, without it, and others. */
const mapFlags = fc.constantFrom(7, 7, 7, 7, 7, 7, 6, 6, 6, 3, 5, 5, 5, 4, 2, 1, 0, 8, 0x87);

const ranges = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.tuple(iova, rangeSize).map(([start, bytes]) => ({ start, last: start + bytes - 1n })) },
    { weight: 1, arbitrary: fc.record({ start: iova, last: iova }) },
  ),
  { maxLength: 3 },
);

/** Makes the calls on iommufds, and those that bring devices to them. */
export const iommufdCalls: fc.Arbitrary<IommufdCall> = fc.oneof(
  weighted(3, { call: fc.constant('openIommufd' as const), iommufd: mostlyFirst(SLOTS.iommufds - 1) }),
  weighted(1, { call: fc.constant('closeIommufd' as const), iommufd: mostlyFirst(SLOTS.iommufds - 1) }),
  weighted(4, { call: fc.constant('openCdev' as const), cdevOf: group, cdev: device }),
  weighted(5, { call: fc.constant('bindIommufd' as const), cdev: device, on }),
  weighted(8, { call: fc.constant('attach' as const), cdev: device, to: pageTable }),
  weighted(2, { call: fc.constant('detach' as const), cdev: device }),
  weighted(4, { call: fc.constant('allocIoas' as const), on }),
  weighted(3, { call: fc.constant('getIovaRanges' as const), on, ioas }),
  weighted(2, {
    call: fc.constant('allowIovas' as const),
    on,
    ioas,
    ranges: ranges.map((list) => list.map(({ start, last }) => ({ start, last: BigInt.asUintN(64, last) }))),
  }),
  weighted(12, {
    call: fc.constant('mapIoas' as const),
    on,
    ioas,
    flags: mapFlags,
    page: fc.nat(11),
    offset: fc.constantFrom(0, 0, 0, 0, 0, 0, 1, 4, 0x800, 0xfff),
    iova,
    size,
    vaddr: fc.constantFrom(...new Array<'arena'>(12).fill('arena'), 'null', 'last page', 'wraps'),
  }),
  weighted(6, {
    call: fc.constant('copyIoas' as const),
    on,
    from: ioas,
    to: ioas,
    flags: mapFlags,
    range,
    toIova: iova,
  }),
  weighted(8, { call: fc.constant('unmapIoas' as const), on, ioas, range }),
  weighted(1, {
    call: fc.constant('unmapIoas' as const),
    on,
    ioas,
    range: fc.constant({ iova: 0n, size: U64 - 1n }),
  }),
  weighted(1, { call: fc.constant('getOption' as const), on, option: fc.constantFrom(0, 1, 1, 2), object: ioas }),
  weighted(2, {
    call: fc.constant('setOption' as const),
    on,
    option: fc.constantFrom(0, 1, 1, 1, 2),
    object: fc.oneof(ioas, fc.constant<ObjectRef>({ of: 'number', index: 0 })),
    value: fc.constantFrom(0n, 0n, 1n, 1n, 2n),
  }),
  weighted(5, { call: fc.constant('destroy' as const), on, object: anyObject }),
  weighted(5, {
    call: fc.constant('allocHwpt' as const),
    on,
    flags: fc.constantFrom(0, 0, 0, 0, 1, 2, 4, 0x80),
    user,
    parent: fc.oneof({ weight: 4, arbitrary: ioas }, { weight: 1, arbitrary: pageTable }),
  }),
  weighted(1, { call: fc.constant('setTracking' as const), on, hwpt, enabled: fc.boolean() }),
  weighted(2, {
    call: fc.constant('getDirty' as const),
    on,
    hwpt,
    iova,
    size: fc.constantFrom(0x1000n, 0x2000n, 0x800n, 1n, 0n),
    // Not 0: the addon rejects it before the kernel, because it makes the bitmap.
    pageSize: fc.constantFrom(0x1000n, 0x1000n, 0x2000n, 0x800n, 3n),
  }),
  weighted(1, { call: fc.constant('getHwInfo' as const), on, user }),
);
