import assert from 'node:assert/strict';
import { readSync } from 'node:fs';

import type { VfioError } from '../../lib/base/errors.js';
import { SyncLane } from '../../lib/lane/sync-lane.js';
import { Op } from '../../lib/layout/slot.js';
import { WorkerPool } from '../../lib/pool/pool.js';
import { operationError } from '../../lib/region/operation-error.js';
import { Program } from '../../lib/region/program.js';
import { memoryRegion, type MemoryRegion } from '../support/memory-region.js';
import { VanishingFile } from '../support/vanishing-file.js';

const SIZE = 64 * 1024;

describe('a region whose mapping is revoked', () => {
  let pool: WorkerPool;
  let file: VanishingFile;
  let memory: MemoryRegion;
  before(async () => (pool = await WorkerPool.start({ workers: 1 })));
  after(() => pool.close());
  beforeEach(async () => {
    file = new VanishingFile(SIZE);
    memory = await memoryRegion(pool.lane(), { size: SIZE, fd: file.fd });
  });
  afterEach(async () => {
    await memory.close();
    file.close();
  });

  /** The words that the file has, as the device would see them. */
  function wordAt(offset: number): number {
    const bytes = new Uint8Array(4);
    readSync(file.fd, bytes, 0, 4, offset);
    return new DataView(bytes.buffer).getUint32(0, true);
  }

  it('ends every kind of access with ERR_REVOKED, whichever meets it first', async () => {
    const { region } = memory;
    const buffer = new SharedArrayBuffer(4096);
    const descriptor = pool.createLane();
    const number = pool.addRegion(descriptor, region);
    const lane = new SyncLane(descriptor);
    const accesses: Record<string, () => unknown> = {
      'accessor read': () => region.accessor.read32(8),
      'accessor read of 8 bytes': () => region.accessor.read64(8),
      'accessor write': () => region.accessor.write32(8, 5),
      'accessor doorbell': () => region.accessor.doorbell32(8, 5),
      read: () => region.read8(8),
      write: () => region.write64(8, 5n),
      modify: () => region.modify32(8, 1, 1),
      poll: () => region.pollUntil(8, { width: 4, mask: 1, value: 1 }),
      'poll for a value that never comes': () => region.pollUntil(8, { width: 4, mask: 1, value: 0 }),
      'copy out': () => region.copyToBuffer(0, 4096, buffer),
      'copy in': () => region.copyFromBuffer(0, 4096, buffer),
      batch: () => region.batch([{ read: 8, width: 4 }]),
      program: () => {
        const program = new Program(region);
        program.write32(8, 1);
        program.run();
      },
      'synchronous lane': () => {
        const position = lane.run({ op: Op.write, width: 4, region: number, offset: 8, value: 1 });
        throw operationError(region.descriptor, 8, lane.slots.status(position), 'writing');
      },
    };
    for (const [name, access] of Object.entries(accesses)) {
      file.vanish();
      await assert.rejects(async () => await access(), { code: 'ERR_REVOKED' }, name);
      assert.equal(region.revoked, true, name);
      file.comeBack();
      await region.restoreMappings();
      assert.equal(region.revoked, false, name);
      await region.write32(8, 77);
      assert.equal(wordAt(8), 77, name);
      await clearAccessor();
    }
  });

  /** A read of ones after a restoration is refused once: it may have been made before. */
  async function clearAccessor(): Promise<void> {
    assert.equal(memory.region.accessor.read32(8), 77);
    await memory.region.write32(8, 0);
  }

  it('reads as ones where a refused write was', async () => {
    const { region } = memory;
    const [area] = region.areas;
    file.vanish();
    assert.throws(() => region.accessor.write32(16, 5), { code: 'ERR_REVOKED' });
    await assert.rejects(region.copyFromBuffer(32, 64, new SharedArrayBuffer(64)), { code: 'ERR_REVOKED' });
    assert.ok(area?.view.every((byte) => byte === 0xff));
  });

  it('believes all ones of a device that answers', async () => {
    const { region } = memory;
    await region.write32(4, 0xffff_ffff);
    assert.equal(region.accessor.read32(4), 0xffff_ffff);
    assert.equal(region.accessor.read16(4), 0xffff);
    assert.equal(await region.read32(4), 0xffff_ffff);
    assert.equal(await region.pollUntil(4, { width: 4, mask: 1, value: 1 }), 0xffff_ffff);
    assert.equal(region.revoked, false);
  });

  it('names the region, the place and what to do', () => {
    file.vanish();
    assert.throws(
      () => memory.region.accessor.read32(0x40),
      (error: VfioError) => {
        assert.match(error.message, /region 0 of memory at 0x40.*does not answer.*command register/);
        return error.code === 'ERR_REVOKED' && error.device === 'memory';
      },
    );
  });

  it('ends reads by a kept accessor with ERR_CLOSED once it is closed', async () => {
    const { region } = memory;
    const { accessor } = region;
    assert.equal(accessor.read32(0), 0);
    await region.close();
    for (const read of ['read8', 'read16', 'read32', 'read64'] as const) {
      assert.throws(() => accessor[read](0), { code: 'ERR_CLOSED' });
    }
    assert.equal(region.areas[0]?.view[0], 0xff);
  });
});
