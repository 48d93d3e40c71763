import fc from 'fast-check';

import { ARENA_PAGES } from '../world.js';

/** A call of a program that maps memory, lets edu access it, and reads the dirty pages. Pages have 4 KiB. */
export type DmaCall =
  | MapCall
  | UnmapCall
  | { readonly call: 'unmapAll' }
  | { readonly call: 'track'; readonly enabled: boolean }
  | ReadDirtyCall
  | { readonly call: 'fill'; readonly page: number; readonly value: number }
  | { readonly call: 'busMaster'; readonly enabled: boolean }
  | TransferCall;

/** Maps pages of the arena at a page of the address space. */
interface MapCall {
  readonly call: 'map';
  readonly iovaPage: number;
  readonly page: number;
  readonly pages: number;
  /** VFIO_DMA_MAP_FLAG_READ, _WRITE or both. */
  readonly access: 1 | 2 | 3;
}

export interface UnmapCall {
  readonly call: 'unmap';
  readonly iovaPage: number;
  readonly pages: number;
  /** The page size of the dirty bitmap that the unmap asks for; 0 for none. */
  readonly bitmapPage: 0 | 4096 | 8192;
}

export interface ReadDirtyCall {
  readonly call: 'readDirty';
  readonly iovaPage: number;
  readonly pages: number;
  readonly pageSize: 4096 | 8192;
}

/** A transfer between edu's buffer and an IOVA. It can cross a page border. */
export interface TransferCall {
  readonly call: 'transfer';
  readonly toDevice: boolean;
  readonly iovaPage: number;
  readonly pageOffset: number;
  /** Sets bit 28 of the IOVA, which edu drives only if its DMA mask has the bit. */
  readonly beyondMask: boolean;
  readonly bufferOffset: number;
  /** Bytes. */
  readonly length: number;
}

/** The IOVA of page 0 of the programs. */
export const IOVA_BASE = 0x10000n;
/** Few, so that the calls of a program touch the same mappings. */
const IOVA_PAGES = 6;
/** QEMU 7.2 ends itself when edu touches the last byte of its buffer. */
const BUFFER_USED = 4092;

const iovaPage = fc.nat(IOVA_PAGES - 1);
const pages = fc.constantFrom(1, 1, 1, 2, 2, 3, 4);

const map: fc.Arbitrary<DmaCall> = fc.record({
  call: fc.constant('map' as const),
  iovaPage,
  page: fc.nat(ARENA_PAGES - 4),
  pages,
  access: fc.constantFrom(3, 3, 3, 3, 1, 2),
});

const unmap: fc.Arbitrary<DmaCall> = fc.record({
  call: fc.constant('unmap' as const),
  iovaPage,
  pages: fc.constantFrom(1, 1, 2, 2, 3, 4, 10),
  bitmapPage: fc.constantFrom(0, 0, 4096, 4096, 4096, 8192),
});

const track: fc.Arbitrary<DmaCall> = fc.record({
  call: fc.constant('track' as const),
  enabled: fc.constantFrom(true, true, true, true, true, false),
});

const readDirty: fc.Arbitrary<DmaCall> = fc.record({
  call: fc.constant('readDirty' as const),
  iovaPage: fc.oneof(fc.constant(0), iovaPage),
  pages: fc.constantFrom(1, 2, 4, 10, 10, 10, 70),
  pageSize: fc.constantFrom(4096, 4096, 4096, 4096, 8192),
});

const fill: fc.Arbitrary<DmaCall> = fc.record({
  call: fc.constant('fill' as const),
  page: fc.nat(ARENA_PAGES - 1),
  value: fc.nat(255),
});

const busMaster: fc.Arbitrary<DmaCall> = fc.record({
  call: fc.constant('busMaster' as const),
  enabled: fc.constantFrom(true, true, false),
});

const call = fc.oneof(
  { weight: 14, arbitrary: map },
  { weight: 6, arbitrary: unmap },
  { weight: 1, arbitrary: fc.constant<DmaCall>({ call: 'unmapAll' }) },
  { weight: 6, arbitrary: track },
  { weight: 5, arbitrary: readDirty },
  { weight: 7, arbitrary: fill },
  { weight: 1, arbitrary: busMaster },
);

const transfer: fc.Arbitrary<DmaCall> = fc
  .record({
    toDevice: fc.constantFrom(false, false, true),
    iovaPage,
    pageOffset: fc.constantFrom(0, 0, 8, 100, 2048, 4000, 4095),
    beyondMask: fc.constantFrom(false, false, false, false, false, false, false, true),
    bufferOffset: fc.constantFrom(0, 0, 4, 2000, 4000),
    wanted: fc.constantFrom(1, 8, 64, 200, 3000, BUFFER_USED),
  })
  .map(({ wanted, ...rest }) => ({
    call: 'transfer' as const,
    ...rest,
    length: Math.min(wanted, BUFFER_USED - rest.bufferOffset),
  }));

/** The first mappings of a program, so that most transfers reach memory. Half of the programs record dirty pages. */
const opening = fc
  .tuple(fc.array(map, { minLength: 2, maxLength: 5 }), fc.array(track, { maxLength: 1 }))
  .map(([maps, tracks]) => [...maps, ...tracks]);
/** A transfer takes the real edu 100 ms: few in a program, each after some calls. */
const part = fc.tuple(fc.array(call, { maxLength: 4 }), transfer).map(([calls, last]) => [...calls, last]);
const parts = fc.oneof(
  { weight: 3, arbitrary: fc.array(part, { minLength: 1, maxLength: 1 }) },
  { weight: 2, arbitrary: fc.array(part, { minLength: 2, maxLength: 3 }) },
);
const ending = fc.array(fc.oneof(unmap, readDirty, readDirty), { maxLength: 3 });

/** Programs with one to three transfers each. */
export const dmaPrograms: fc.Arbitrary<readonly DmaCall[]> = fc
  .tuple(opening, parts, ending)
  .map(([first, middle, last]) => [...first, ...middle.flat(), ...last]);
