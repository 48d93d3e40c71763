import { baseline } from '../baseline/addon.js';
import type { BenchCase } from '../harness/case.js';
import { expectEqual, openMemoryRegion } from '../fixtures/memory-region.js';

const WINDOW = 4096;
const PASSES = 1024;

/** Reads of a raw view. The compiler may optimize them as it likes. */
const viewRead32: BenchCase = {
  name: 'view-read32',
  title: 'one read of a Uint32Array over a mapped region, 16 KiB of it read in order',
  unit: 'ns',
  bar: 1.1,
  async prepare() {
    const region = await openMemoryRegion(1 << 20, 'mapped');
    const words = new Uint32Array(region.memory);
    for (let i = 0; i < WINDOW; i++) words[i] = i * 0x01000193;
    const passSum = sumWindow(words);
    const readPasses = readerOf(words);
    const operations = PASSES * WINDOW;
    let sum = 0;
    return {
      subject: {
        operations,
        run: () => {
          sum = readPasses();
        },
        after: () => expectEqual('the sum of the values read', sum, Math.imul(passSum, PASSES)),
      },
      baseline: { operations, run: () => baseline.read32(region.bytes, operations) },
      close: () => region.close(),
    };
  },
};

/**
 * The function is created once, so that V8 treats the view and its address as constants. With a view as an argument, each
 * access would take one more instruction.
 */
function readerOf(words: Uint32Array): () => number {
  return () => {
    let sum = 0;
    for (let pass = 0; pass < PASSES; pass++) sum = (sum + sumWindow(words)) | 0;
    return sum;
  };
}

/** Unrolled, and summed in order, like the loop in C. */
function sumWindow(words: Uint32Array): number {
  let sum = 0;
  for (let i = 0; i < WINDOW; i += 16) {
    sum = (sum + (words[i] as number)) | 0;
    sum = (sum + (words[i + 1] as number)) | 0;
    sum = (sum + (words[i + 2] as number)) | 0;
    sum = (sum + (words[i + 3] as number)) | 0;
    sum = (sum + (words[i + 4] as number)) | 0;
    sum = (sum + (words[i + 5] as number)) | 0;
    sum = (sum + (words[i + 6] as number)) | 0;
    sum = (sum + (words[i + 7] as number)) | 0;
    sum = (sum + (words[i + 8] as number)) | 0;
    sum = (sum + (words[i + 9] as number)) | 0;
    sum = (sum + (words[i + 10] as number)) | 0;
    sum = (sum + (words[i + 11] as number)) | 0;
    sum = (sum + (words[i + 12] as number)) | 0;
    sum = (sum + (words[i + 13] as number)) | 0;
    sum = (sum + (words[i + 14] as number)) | 0;
    sum = (sum + (words[i + 15] as number)) | 0;
  }
  return sum;
}

export default viewRead32;
