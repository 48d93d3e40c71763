import { RegionAccess } from '../../lib/region/region-access.js';
import { baseline } from '../baseline/addon.js';
import type { BenchCase } from '../harness/case.js';
import { expectEqual, openMemoryRegion } from '../fixtures/memory-region.js';

const READS = 1 << 20;

/** A checked `Atomics.load`, compared with a Node-API call without any check. */
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
    const check = (): void => expectEqual('the sum of the values read', sum, (READS / 1024) * (512 * 1023));
    return {
      subject: {
        operations: READS,
        run: () => {
          sum = 0;
          for (let i = 0; i < READS; i++) sum += access.read32((i * 4) & 0xffc);
        },
        after: check,
      },
      baseline: {
        operations: READS,
        run: () => {
          sum = 0;
          for (let i = 0; i < READS; i++) sum += baseline.bareRead32(handle, (i * 4) & 0xffc);
        },
        after: check,
      },
      close: () => region.close(),
    };
  },
};

export default checkedRead32;
