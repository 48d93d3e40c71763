import { addon } from '../../lib/native/addon.js';
import { baseline } from '../baseline.js';
import type { BenchCase } from '../case.js';
import { nanosecondsEach } from '../timing.js';

const ACCESSES = 4096 * 1024;
const WALK = 1024;

/** A raw view: a store that the compiler may make what it likes of. */
const viewWrite32: BenchCase = {
  name: 'view-write32',
  title: 'one write to a Uint32Array over a mapped region',
  unit: 'ns',
  bar: 1.1,
  async prepare() {
    const fd = addon.memfdCreate('bench', 1n << 20n, 0);
    const mapping = await addon.mappingCreate(fd, 0n, 1 << 20, 3);
    const view = addon.mappingView(mapping);
    const words = new Uint32Array(view);
    const bytes = new Uint8Array(view);
    return {
      subject: () => [
        nanosecondsEach(ACCESSES, () => {
          walk(words);
        }),
      ],
      baseline: () => [baseline.write32(bytes, ACCESSES)],
      close: () => {
        addon.mappingClose(mapping);
        addon.closeFdSync(fd);
      },
    };
  },
};

function walk(words: Uint32Array): void {
  for (let round = 0; round < ACCESSES / WALK; round++) {
    for (let i = 0; i < WALK; i++) words[i] = round;
  }
}

export default viewWrite32;
