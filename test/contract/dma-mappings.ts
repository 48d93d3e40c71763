import assert from 'node:assert/strict';

import type { Device } from '../../lib/device/device.js';
import { allocateMemory } from '../../lib/dma/memory/shared-memory.js';
import { bytesOf, dmaToDevice, dmaToMemory, pattern, rejects } from './edu-dma.js';
import type { ContractTarget } from './target.js';

/** Tests that the mappings of every backend behave the same. @param deviceOf returns the edu that is attached now */
export function describeDmaMappings(target: ContractTarget, deviceOf: () => Device): void {
  describe('DMA mappings', () => {
    it('are all unmapped by unmapAll, and a device reaches none of them', async () => {
      const device = deviceOf();
      await device.config.setBusMaster(true);
      const { dma } = device;
      const [first] = [await dma.allocate(4096), await dma.allocate(8192, { kind: 'memfd' })];
      const bank = await dma.addBank({ gpa: 0x800000n, memory: new Uint8Array(first.memory) });
      assert.equal(dma.mappingCount, 3);
      const { iova } = first;
      await dma.unmapAll();
      assert.deepEqual([dma.mappingCount, first.mapped, bank.mapped], [0, false, false]);
      await dmaToMemory(device, { iova }, 64);
      assert.ok(first.bytes.every((byte) => byte === 0));
      // Their IOVAs and the bank's address are free.
      const again = await dma.addBank({ gpa: 0x800000n, memory: first.memory });
      assert.equal((await dma.allocate(4096, { iova })).iova, iova);
      await again.remove();
      await dma.unmapAll();
    });

    it('report the pages that a device wrote, also when they are unmapped', async () => {
      const device = deviceOf();
      const { dma } = device;
      if (!target.capabilities.dirtyTracking) {
        assert.equal(dma.dirtyPageSizes, 0n);
        await rejects(dma.startDirtyTracking(), 'ERR_NOT_SUPPORTED');
        return;
      }
      await device.config.setBusMaster(true);
      const buffer = await dma.allocate(16 * 4096);
      await rejects(buffer.unmapDirty(), 'ERR_INVALID_ARGUMENT');
      await dma.startDirtyTracking();
      const written = (page: number): Promise<void> => dmaToMemory(device, { iova: buffer.iovaOf(page * 4096) }, 64);
      await written(3);
      const taken = await dma.takeDirtyPages(buffer.iova, buffer.size);
      assert.equal(taken.length, 2);
      assert.equal((taken[0] ?? 0) & 0b1000, 0b1000);
      await written(9);
      const last = await buffer.unmapDirty();
      assert.equal(last.length, 2);
      assert.equal((last[1] ?? 0) & 0b10, 0b10);
      assert.equal(buffer.mapped, false);
      await rejects(buffer.unmapDirty(), 'ERR_CLOSED');
      await dma.stopDirtyTracking();
    });

    it('cannot be discarded', async () => {
      const device = deviceOf();
      const buffer = await device.dma.allocate(8192);
      await rejects(buffer.discard(0, 4096), 'EBUSY');
      await rejects(buffer.discard(0, 4096, { vouched: true }), 'EBUSY');
      bytesOf(buffer).fill(1);
      await buffer.free();
      await buffer.discard(0, 4096);
      assert.deepEqual([bytesOf(buffer)[0], bytesOf(buffer)[4096]], [0, 1]);
    });

    it('of a list are reached one after the other, and are unmapped together', async () => {
      const device = deviceOf();
      await device.config.setBusMaster(true);
      const [one, other] = [await device.dma.allocate(8192), await device.dma.allocate(4096)];
      const tail = new Uint8Array(one.memory, 4096, 4096);
      const list = await device.dma.mapList([other.memory, tail]);
      bytesOf(one).fill(7);
      await dmaToDevice(device, one, 64);
      bytesOf(other).fill(0x5a);
      bytesOf(one).fill(0x5a);
      await dmaToMemory(device, { iova: list.iovaOf(4096 - 32) }, 64);
      assert.deepEqual([other.bytes[4063], other.bytes[4064], tail[31], tail[32]], [0x5a, 7, 7, 0x5a]);
      const { iova } = list;
      await list.unmap();
      bytesOf(other).fill(0x5a);
      await dmaToMemory(device, { iova: iova + 4064n }, 64);
      assert.deepEqual([other.bytes[4064], tail[32]], [0x5a, 0x5a]);
      await device.dma.unmapAll();
    });

    it('of pieces are reached in the order given, and are unmapped together', async () => {
      const device = deviceOf();
      await device.config.setBusMaster(true);
      const source = await device.dma.allocate(4096);
      bytesOf(source).fill(7);
      await dmaToDevice(device, source, 64);
      await source.free();
      const { buffer: memory } = await allocateMemory({ size: 600 * 4096 });
      const bytes = new Uint8Array(memory).fill(0x5a);
      // The last page to the fourth one, then the first three in their order.
      const pages = [...Array.from({ length: 597 }, (_, index) => 599 - index), 0, 1, 2];
      const offsets = pages.map((page) => page * 4096);
      const pieces = await device.dma.mapPieces(memory, offsets, 4096);
      assert.equal(pieces.size, 600n * 4096n);
      await dmaToMemory(device, { iova: pieces.iovaOf(4096 - 32) }, 64);
      const at = (page: number, byte: number): number | undefined => bytes[page * 4096 + byte];
      assert.deepEqual([at(599, 4063), at(599, 4064), at(598, 31), at(598, 32)], [0x5a, 7, 7, 0x5a]);
      await dmaToMemory(device, { iova: pieces.iovaOf(599 * 4096) }, 64);
      assert.deepEqual([at(2, 0), at(2, 64)], [7, 0x5a]);
      const { iova } = pieces;
      await pieces.unmap();
      bytes.fill(0x5a);
      await dmaToMemory(device, { iova: iova + 599n * 4096n }, 64);
      assert.equal(at(2, 0), 0x5a);
      assert.equal(device.dma.mappingCount, 0);
    });

    it('of a pool are one mapping, and the device reaches each buffer', async () => {
      const device = deviceOf();
      await device.config.setBusMaster(true);
      const pool = await device.dma.createPool({ bufferSize: 256, count: 8 });
      assert.equal(device.dma.mappingCount, 1);
      const [first, second] = [pool.take(), pool.take()];
      assert.ok(first !== undefined && second !== undefined);
      first.bytes.set(pattern(256, 5));
      await dmaToDevice(device, first, 256);
      await dmaToMemory(device, second, 256);
      assert.deepEqual(Uint8Array.from(second.bytes), pattern(256, 5));
      pool.give(first);
      await rejects(pool.close(), 'EBUSY');
      pool.give(second);
      await pool.close();
    });
  });
}
