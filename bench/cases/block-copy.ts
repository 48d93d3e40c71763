import { addon } from '../../lib/native/addon.js';
import { Program } from '../../lib/region/program.js';
import { baseline } from '../baseline/addon.js';
import type { BenchCase } from '../harness/case.js';
import { expectEqual, openMemoryRegion } from '../fixtures/memory-region.js';

const BLOCK = 4096;
const COPIES = 64;
const RUNS = 100;

/** Copies of blocks of a region into memory that a device can reach, 32 bits at a time. */
const blockCopy: BenchCase = {
  name: 'block-copy',
  title: `one copy of 4 KiB from a region to DMA memory by 32-bit accesses, ${COPIES} in a program`,
  unit: 'ns',
  bar: 1.05,
  async prepare() {
    const region = await openMemoryRegion(BLOCK, 'mapped');
    const source = new Uint32Array(region.memory).map((_, i) => i * 0x01000193);
    new Uint32Array(region.memory).set(source);
    const buffer = addon.memoryPlace(-1, BLOCK, 0, false, -1, false) as SharedArrayBuffer;
    const target = new Uint32Array(buffer);
    const program = new Program(region, COPIES);
    for (let step = 0; step < COPIES; step++) program.copyToBuffer(0, BLOCK, buffer);
    const check = (): void => {
      for (let i = 0; i < target.length; i++) expectEqual(`word ${i}`, target[i] as number, source[i] as number);
      target.fill(0);
    };
    const operations = RUNS * COPIES;
    return {
      subject: {
        operations,
        run: () => {
          for (let run = 0; run < RUNS; run++) program.run();
        },
        after: check,
      },
      baseline: {
        operations,
        run: () => baseline.blockCopy(region.bytes, new Uint8Array(buffer), operations),
        after: check,
      },
      close: () => region.close(),
    };
  },
};

export default blockCopy;
