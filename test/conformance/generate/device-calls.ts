import fc from 'fast-check';

import { argsz, device, weighted } from './arbitraries.js';

/** A call on an open device. */
export type DeviceCall =
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

/** Makes the calls on devices. */
export const deviceCalls: fc.Arbitrary<DeviceCall> = fc.oneof(
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

function at(regionIndex: number, ...offsets: number[]): fc.Arbitrary<Place> {
  return fc.constantFrom(...offsets).map((offset) => ({ regionIndex, offset }));
}
