import fc from 'fast-check';

import { device, weighted } from './arbitraries.js';

/** An access to config space, of any width at any place. */
export type ConfigCall =
  | { readonly call: 'readConfig'; readonly device: number; readonly offset: number; readonly length: number }
  | {
      readonly call: 'writeConfig';
      readonly device: number;
      readonly offset: number;
      readonly length: number;
      /** The low 64 bits of the data; the rest are 0. */
      readonly value: bigint;
    };

/** The bytes of the header and of edu's one capability, MSI. QEMU's devices can write the others, as memory. */
const FIRST_UNASSIGNED = 0x4e;

const PLACES = {
  command: 4,
  bar0: 0x10,
  bar1: 0x14,
  bar5: 0x24,
  rom: 0x30,
  line: 0x3c,
  msi: 0x40,
  msiFlags: 0x42,
} as const;

const place = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...Object.values(PLACES)) },
  { weight: 3, arbitrary: fc.nat(FIRST_UNASSIGNED - 1) },
);
const width = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(1, 2, 4) },
  { weight: 1, arbitrary: fc.integer({ min: 3, max: 20 }) },
);
const value = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(0n, (1n << 64n) - 1n, 0x81n, 0x71n, 0x400n, 0x406n, 0x7n) },
  { weight: 2, arbitrary: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }) },
);

/** Makes accesses to config space. */
export const configCalls: fc.Arbitrary<ConfigCall> = fc.oneof(
  weighted(5, { call: fc.constant('readConfig' as const), device, offset: place, length: width }),
  weighted(1, {
    call: fc.constant('readConfig' as const),
    device,
    offset: fc.constantFrom(FIRST_UNASSIGNED, 0x80, 0xf0, 0xfd, 0xff, 0x100, 0x101, 0xffc, 0x1000),
    length: width,
  }),
  weighted(1, {
    call: fc.constant('readConfig' as const),
    device,
    offset: fc.constant(0),
    length: fc.constantFrom(0x40, 0x100, 0x101),
  }),
  {
    weight: 5,
    arbitrary: fc.tuple(device, place, width, value).map(([d, offset, length, v]) => ({
      call: 'writeConfig' as const,
      device: d,
      offset,
      length: Math.min(length, FIRST_UNASSIGNED - offset),
      value: v,
    })),
  },
);
