import { RegionAccess } from '../../lib/region/region-access.js';
import { baseline } from '../baseline.js';
import type { BenchCase } from '../case.js';
import { expectEqual, openMemoryRegion } from '../memory.js';
import { nanosecondsEach } from '../timing.js';

const WRITES = 1 << 20;

/** A store by native code after its checks, against a call of Node-API that checks nothing. */
const checkedWrite32: BenchCase = {
  name: 'checked-write32',
  title: 'one write32 of the checked accessor',
  comparison: 'a bare Node-API call that makes one volatile store',
  unit: 'ns',
  bar: 1.15,
  async prepare() {
    const region = await openMemoryRegion(4096, 'mapped');
    const { handle } = region.descriptor;
    const access = new RegionAccess(region.descriptor);
    const words = new Uint32Array(region.memory);
    baseline.setBareMemory(region.bytes);
    const check = (): void => {
      for (let i = 0; i < words.length; i++) expectEqual(`word ${i}`, words[i] as number, WRITES - 1024 + i);
      words.fill(0);
    };
    return {
      subject: () => {
        const cost = nanosecondsEach(WRITES, () => {
          for (let i = 0; i < WRITES; i++) access.write32((i * 4) & 0xffc, i);
        });
        check();
        return [cost];
      },
      baseline: () => {
        const cost = nanosecondsEach(WRITES, () => {
          for (let i = 0; i < WRITES; i++) baseline.bareWrite32(handle, (i * 4) & 0xffc, i);
        });
        check();
        return [cost];
      },
      close: () => region.close(),
    };
  },
};

export default checkedWrite32;
