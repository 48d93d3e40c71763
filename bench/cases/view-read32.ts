import { baseline } from '../baseline.js';
import type { BenchCase } from '../case.js';
import { expectEqual, openMemoryRegion } from '../memory.js';
import { nanosecondsEach } from '../timing.js';

const WINDOW = 4096;
const PASSES = 1024;

/** A raw view: a load that the compiler may make what it likes of. */
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
    return {
      subject: () => {
        let sum = 0;
        const cost = nanosecondsEach(PASSES * WINDOW, () => {
          sum = readPasses();
        });
        expectEqual('the sum of what was read', sum, Math.imul(passSum, PASSES));
        return [cost];
      },
      baseline: () => [baseline.read32(region.bytes, PASSES * WINDOW)],
      close: () => region.close(),
    };
  },
};

/**
 * Made once, so that V8 takes the view for a constant and its address for another; a view that comes as an argument costs
 * one more instruction an access.
 */
function readerOf(words: Uint32Array): () => number {
  return () => {
    let sum = 0;
    for (let pass = 0; pass < PASSES; pass++) sum = (sum + sumWindow(words)) | 0;
    return sum;
  };
}

/** Unrolled and summed in order, as C's loop is. */
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
