import { RegionAccess } from '../../lib/region/region-access.js';
import { baseline } from '../baseline/addon.js';
import type { BenchCase } from '../harness/case.js';
import { expectEqual, openMemoryRegion } from '../fixtures/memory-region.js';

const READS = 20_000;
const OFFSET = 0x40;
const VALUE = 0x12345678;

/** A read of a register that is not mapped, on the calling thread: one system call on both sides. */
const trapRead32: BenchCase = {
  name: 'trap-read32',
  title: 'one read32 of a trapped register by the checked accessor, on the calling thread',
  comparison: 'a pread of four bytes',
  unit: 'ns',
  bar: 1.2,
  async prepare() {
    const region = await openMemoryRegion(4096, 'trapped');
    const access = new RegionAccess(region.descriptor);
    new DataView(region.memory).setUint32(OFFSET, VALUE, true);
    let wrong = 0;
    return {
      subject: {
        operations: READS,
        run: () => {
          for (let i = 0; i < READS; i++) wrong += access.read32(OFFSET) === VALUE ? 0 : 1;
        },
        after: () => expectEqual('the number of wrong values', wrong, 0),
      },
      baseline: {
        operations: READS,
        run: () => baseline.pread32(region.fd, region.fileOffset + OFFSET, READS),
      },
      close: () => region.close(),
    };
  },
};

export default trapRead32;
