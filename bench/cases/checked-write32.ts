import { RegionAccess } from '../../lib/region/region-access.js';
import { baseline } from '../baseline/addon.js';
import type { BenchCase } from '../harness/case.js';
import { expectEqual, openMemoryRegion } from '../fixtures/memory-region.js';

const WRITES = 1 << 20;

/** A checked store by native code, compared with a Node-API call without any check. */
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
      subject: {
        operations: WRITES,
        run: () => {
          for (let i = 0; i < WRITES; i++) access.write32((i * 4) & 0xffc, i);
        },
        after: check,
      },
      baseline: {
        operations: WRITES,
        run: () => {
          for (let i = 0; i < WRITES; i++) baseline.bareWrite32(handle, (i * 4) & 0xffc, i);
        },
        after: check,
      },
      close: () => region.close(),
    };
  },
};

export default checkedWrite32;
