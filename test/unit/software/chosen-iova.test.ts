import assert from 'node:assert/strict';

import { addon } from '../../../lib/native/addon.js';
import { SoftwareMachine } from '../../../lib/software/machine/software-machine.js';
import { IOMMU_IOAS_MAP_READABLE, IOMMU_IOAS_MAP_WRITEABLE } from '../../../lib/uapi/iommufd.js';

const SIZE = 0x10000;
const FLAGS = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE;

describe('the IOVA that an iommufd of the software core chooses', () => {
  // The guest's kernel, which has no huge pages, chose 0x1000 (test/conformance).
  for (const [transparentHugepages, expected] of [
    [true, 0x10000n],
    [false, 0x1000n],
  ] as const) {
    const kernelHas = transparentHugepages
      ? 'keeps the alignment of the memory if the kernel has'
      : 'is the next page without';
    it(`${kernelHas} transparent huge pages`, async () => {
      const memory = addon.memoryPlace(-1, SIZE, SIZE, false, -1, false) as SharedArrayBuffer;
      const machine = new SoftwareMachine({ transparentHugepages });
      const kernel = machine.process();
      try {
        const iommufd = await kernel.openIommufd();
        const ioasId = kernel.allocIoas(iommufd);
        const vaddr = addon.bufferAddress(memory, 0);
        assert.equal(
          await kernel.mapIoas(iommufd, { ioasId, flags: FLAGS, vaddr, iova: 0n, size: BigInt(SIZE) }),
          expected,
        );
      } finally {
        await machine.close();
      }
    });
  }
});
