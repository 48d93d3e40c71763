import { baseline } from '../baseline/addon.js';
import type { BenchCase } from '../harness/case.js';
import { expectEqual, openMemoryRegion } from '../fixtures/memory-region.js';

const WINDOW = 4096;
const PASSES = 1024;

/** Writes to a raw view. The compiler may optimize them as it likes. */
const viewWrite32: BenchCase = {
  name: 'view-write32',
  title: 'one write to a Uint32Array over a mapped region, 16 KiB of it written in order',
  unit: 'ns',
  bar: 1.1,
  async prepare() {
    const region = await openMemoryRegion(1 << 20, 'mapped');
    const words = new Uint32Array(region.memory);
    const writePasses = writerOf(words);
    const operations = PASSES * WINDOW;
    return {
      subject: {
        operations,
        before: () => void words.fill(0, 0, WINDOW),
        run: writePasses,
        after: () => {
          for (let i = 0; i < WINDOW; i++) expectEqual(`word ${i}`, words[i] as number, PASSES);
        },
      },
      baseline: { operations, run: () => baseline.write32(region.bytes, operations) },
      close: () => region.close(),
    };
  },
};

/** The function is created once, so that V8 treats the view and its address as constants. */
function writerOf(words: Uint32Array): () => void {
  return () => {
    for (let pass = 1; pass <= PASSES; pass++) fillWindow(words, pass);
  };
}

/** Unrolled like the loop in C. At two stores a cycle the processor has room for three instructions per store. */
function fillWindow(words: Uint32Array, value: number): void {
  for (let i = 0; i < WINDOW; i += 32) {
    words[i] = value;
    words[i + 1] = value;
    words[i + 2] = value;
    words[i + 3] = value;
    words[i + 4] = value;
    words[i + 5] = value;
    words[i + 6] = value;
    words[i + 7] = value;
    words[i + 8] = value;
    words[i + 9] = value;
    words[i + 10] = value;
    words[i + 11] = value;
    words[i + 12] = value;
    words[i + 13] = value;
    words[i + 14] = value;
    words[i + 15] = value;
    words[i + 16] = value;
    words[i + 17] = value;
    words[i + 18] = value;
    words[i + 19] = value;
    words[i + 20] = value;
    words[i + 21] = value;
    words[i + 22] = value;
    words[i + 23] = value;
    words[i + 24] = value;
    words[i + 25] = value;
    words[i + 26] = value;
    words[i + 27] = value;
    words[i + 28] = value;
    words[i + 29] = value;
    words[i + 30] = value;
    words[i + 31] = value;
  }
}

export default viewWrite32;
