import { RegionAccess } from '../../lib/region/region-access.js';
import { baseline } from '../baseline.js';
import type { BenchCase } from '../case.js';
import { expectEqual, openMemoryRegion } from '../memory.js';
import { nanosecondsEach } from '../timing.js';

const READS = 1 << 20;

/** A load of `Atomics` after a check, against a call of Node-API that checks nothing. */
const checkedRead32: BenchCase = {
  name: 'checked-read32',
  title: 'one read32 of the checked accessor',
  comparison: 'a bare Node-API call that makes one volatile load',
  unit: 'ns',
  bar: 0.5,
  async prepare() {
    const region = await openMemoryRegion(4096, 'mapped');
    const { handle } = region.descriptor;
    const access = new RegionAccess(region.descriptor);
    new Uint32Array(region.memory).forEach((_, i, words) => (words[i] = i));
    baseline.setBareMemory(region.bytes);
    let sum = 0;
    const check = (): void => expectEqual('the sum of what was read', sum, (READS / 1024) * (512 * 1023));
    return {
      subject: () => {
        sum = 0;
        const cost = nanosecondsEach(READS, () => {
          for (let i = 0; i < READS; i++) sum += access.read32((i * 4) & 0xffc);
        });
        check();
        return [cost];
      },
      baseline: () => {
        sum = 0;
        const cost = nanosecondsEach(READS, () => {
          for (let i = 0; i < READS; i++) sum += baseline.bareRead32(handle, (i * 4) & 0xffc);
        });
        check();
        return [cost];
      },
      close: () => region.close(),
    };
  },
};

export default checkedRead32;
