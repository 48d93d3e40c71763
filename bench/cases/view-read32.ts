import { addon } from '../../lib/native/addon.js';
import { baseline } from '../baseline.js';
import type { BenchCase } from '../case.js';
import { nanosecondsEach } from '../timing.js';

const ACCESSES = 4096 * 1024;
const WALK = 1024;

/** A raw view: a load that the compiler may make what it likes of. */
const viewRead32: BenchCase = {
  name: 'view-read32',
  title: 'one read of a Uint32Array over a mapped region',
  unit: 'ns',
  bar: 1.1,
  async prepare() {
    const fd = addon.memfdCreate('bench', 1n << 20n, 0);
    const mapping = await addon.mappingCreate(fd, 0n, 1 << 20, 3);
    const view = addon.mappingView(mapping);
    const words = new Uint32Array(view);
    const bytes = new Uint8Array(view);
    let sink = 0;
    return {
      subject: () => [
        nanosecondsEach(ACCESSES, () => {
          sink = (sink + walk(words)) | 0;
        }),
      ],
      baseline: () => [baseline.read32(bytes, ACCESSES)],
      close: () => {
        addon.mappingClose(mapping);
        addon.closeFdSync(fd);
        if (sink !== 0) throw new Error('a region of zeros was read as something else');
      },
    };
  },
};

function walk(words: Uint32Array): number {
  let sum = 0;
  for (let round = 0; round < ACCESSES / WALK; round++) {
    for (let i = 0; i < WALK; i++) sum = (sum + (words[i] as number)) | 0;
  }
  return sum;
}

export default viewRead32;
