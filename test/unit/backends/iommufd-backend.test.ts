import assert from 'node:assert/strict';

import type { AttachedDevice } from '../../../lib/backends/backend.js';
import { IommufdBackend } from '../../../lib/backends/iommufd/backend.js';
import { DmaSpace } from '../../../lib/dma/dma-space.js';
import { fakeIommufd } from '../../support/fake-iommufd.js';

const WIDE = { last: (1n << 48n) - 1n, tracks: true };
const NARROW = { last: (1n << 32n) - 1n, tracks: false };
const REFUSED = { ...NARROW, refused: true };

describe('IommufdBackend: devices in one DMA space', () => {
  const { kernel, calls } = fakeIommufd([WIDE, NARROW, REFUSED]);
  const backend = new IommufdBackend(kernel);
  const dma = new DmaSpace();
  const attach = (index: number): Promise<AttachedDevice> =>
    backend.attach({ name: `0000:00:0${index}.0`, sysfsPath: `/sys/${index}`, space: dma.mappings, reset: false });
  const limits = (): unknown[] => [dma.ranges.at(-1)?.last, dma.dirtyPageSizes];

  it('narrow the ranges of the space while they are attached', async () => {
    const wide = await attach(0);
    assert.deepEqual(limits(), [WIDE.last, 4096n]);
    const narrow = await attach(1);
    assert.deepEqual(limits(), [NARROW.last, 0n]);
    await narrow.detach();
    assert.deepEqual(limits(), [WIDE.last, 4096n]);
    await wide.detach();
  });

  it('leave the space as it was if an attach fails, and query nothing after the last detach', async () => {
    const wide = await attach(0);
    await assert.rejects(attach(2), { code: 'EBUSY' });
    assert.deepEqual(limits(), [WIDE.last, 4096n]);
    calls.length = 0;
    await wide.detach();
    assert.deepEqual(calls, []);
  });
});
