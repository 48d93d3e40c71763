import fc from 'fast-check';

/** A call of a program that maps memory, has edu reach it and asks what it wrote. Pages are of 4 KiB. */
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
  /** The page size of the dirty bitmap that comes with it; 0 without one. */
  readonly bitmapPage: 0 | 4096 | 8192;
}

export interface ReadDirtyCall {
  readonly call: 'readDirty';
  readonly iovaPage: number;
  readonly pages: number;
  readonly pageSize: 4096 | 8192;
}

/** A transfer of edu's between its buffer and an IOVA, which may reach into a second page. */
export interface TransferCall {
  readonly call: 'transfer';
  readonly toDevice: boolean;
  readonly iovaPage: number;
  readonly pageOffset: number;
  /** Sets bit 28, which edu drives only where its DMA mask has it. */
  readonly beyondMask: boolean;
  readonly bufferOffset: number;
  /** Bytes. */
  readonly length: number;
}

/** The memory that programs map, on each side. */
export const ARENA_PAGES = 16;
export const PAGE = 4096;
/** Where page 0 of the programs lies in the address space. */
export const IOVA_BASE = 0x10000n;
/** Few, so that calls meet each other's mappings. */
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

/** The first mappings of a program, so that most transfers reach something; and a record of it, in half of them. */
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

/** Programs weighted to DMA: one to three transfers in each. */
export const dmaPrograms: fc.Arbitrary<readonly DmaCall[]> = fc
  .tuple(opening, parts, ending)
  .map(([first, middle, last]) => [...first, ...middle.flat(), ...last]);
