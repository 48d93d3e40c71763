import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

import { DmaSpace } from '../../../lib/dma/dma-space.js';
import type { DmaBuffer } from '../../../lib/dma/dma-buffer.js';
import { Engine } from '../../../lib/engine/engine.js';
import { SoftwareMachine } from '../../../lib/software/machine/software-machine.js';

const PAGE = 4096;
const PCI = 'f000:00:04.0';
const MDEV = '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001';
const OTHER_MDEV = '83b8f4f2-509f-382f-3c1e-e6bfe0fa1002';
const VOUCHED = { vouched: true };

/** Tells whether a page still has the bytes that the test wrote. */
function kept(buffer: DmaBuffer, page: number): boolean {
  return buffer.bytes.subarray(page * PAGE, (page + 1) * PAGE).every((byte) => byte === 0x5a);
}

function gone(buffer: DmaBuffer, page: number): boolean {
  return buffer.bytes.subarray(page * PAGE, (page + 1) * PAGE).every((byte) => byte === 0);
}

describe('discarding DMA memory', () => {
  let machine: SoftwareMachine;
  let engine: Engine;

  before(async () => {
    machine = new SoftwareMachine();
    await machine.addDevice({ name: PCI, group: 0, model: 'edu' });
    await machine.addDevice({ name: MDEV, group: 1, model: 'edu' });
    await machine.addDevice({ name: OTHER_MDEV, group: 2, model: 'edu' });
    engine = new Engine({ machine });
  });
  after(async () => {
    await engine.close();
    await machine.close();
  });
  afterEach(async () => {
    for (const device of engine.devices) await device.detach();
    await engine.dma.unmapAll();
  });

  async function filled(space = engine.dma, kind: 'anonymous' | 'memfd' = 'anonymous'): Promise<DmaBuffer> {
    const buffer = await space.allocate(4 * PAGE, { kind });
    buffer.bytes.fill(0x5a);
    return buffer;
  }

  for (const kind of ['anonymous', 'memfd'] as const) {
    it(`returns whole pages of ${kind} memory that no device reaches`, async () => {
      const buffer = await filled(engine.dma, kind);
      await buffer.discard(PAGE, 2 * PAGE);
      assert.deepEqual(
        [0, 1, 2, 3].map((page) => kept(buffer, page)),
        [true, false, false, true],
      );
      assert.ok(gone(buffer, 1) && gone(buffer, 2));
    });
  }

  it('rejects parts of pages and ranges outside of the buffer', async () => {
    const buffer = await filled();
    for (const [offset, length] of [
      [1, PAGE],
      [0, 100],
      [NaN, PAGE],
    ] as const) {
      await assert.rejects(buffer.discard(offset, length), { code: 'ERR_INVALID_ARGUMENT' });
    }
    for (const [offset, length] of [
      [-PAGE, PAGE],
      [4 * PAGE, PAGE],
      [0, 5 * PAGE],
      [0, 0],
    ] as const) {
      await assert.rejects(buffer.discard(offset, length), { code: 'ERR_OUT_OF_RANGE' });
    }
  });

  it('fails while a device has the memory pinned, even if the caller vouches', async () => {
    const buffer = await filled();
    const device = await engine.attach(PCI);
    await assert.rejects(buffer.discard(0, PAGE), { code: 'EBUSY', syscall: 'discard' });
    await assert.rejects(buffer.discard(0, PAGE, VOUCHED), { code: 'EBUSY' });
    assert.ok(kept(buffer, 0));
    await device.detach();
    await buffer.discard(0, PAGE);
    assert.ok(gone(buffer, 0));
  });

  it('succeeds for unmapped memory, and for memory of a space without devices', async () => {
    await engine.attach(PCI);
    const buffer = await filled();
    await buffer.free();
    await buffer.discard(0, PAGE);
    assert.ok(gone(buffer, 0));
    const apart = new DmaSpace();
    const other = await filled(apart);
    await other.discard(0, PAGE);
    await apart.unmapAll();
  });

  it('fails while a device of another space has a view of the memory mapped', async () => {
    const apart = new DmaSpace();
    const buffer = await filled(apart);
    await engine.attach(PCI);
    const again = await engine.dma.map(buffer.bytes.subarray(0, PAGE));
    await buffer.discard(2 * PAGE, PAGE);
    await assert.rejects(buffer.discard(0, 2 * PAGE), { code: 'EBUSY' });
    await again.unmap();
    await buffer.discard(0, 2 * PAGE);
    await apart.unmapAll();
  });

  it('fails while a device of another thread has the memory mapped', async function () {
    this.timeout(60_000);
    const buffer = await filled();
    const thread = new Worker(new URL('../../support/mapping-thread.js', import.meta.url), {
      workerData: buffer.memory,
    });
    const ended = once(thread, 'exit');
    try {
      await once(thread, 'message');
      await assert.rejects(buffer.discard(0, PAGE, VOUCHED), { code: 'EBUSY', hint: /1 attached device has/ });
      assert.ok(kept(buffer, 0));
    } finally {
      thread.postMessage('end');
      await ended;
    }
    await buffer.discard(0, PAGE);
    assert.ok(gone(buffer, 0));
  });

  it('succeeds if the caller vouches and all devices are mediated', async () => {
    const buffer = await filled();
    await engine.attach(MDEV);
    await engine.attach(OTHER_MDEV);
    await assert.rejects(buffer.discard(0, PAGE), { code: 'EBUSY', hint: /vouched/ });
    assert.ok(kept(buffer, 0));
    await buffer.discard(0, PAGE, VOUCHED);
    assert.ok(gone(buffer, 0) && kept(buffer, 1));
    const device = await engine.attach(PCI);
    await assert.rejects(buffer.discard(PAGE, PAGE, VOUCHED), { code: 'EBUSY', hint: /1 attached device/ });
    await device.detach();
    await buffer.discard(PAGE, PAGE, VOUCHED);
  });

  it('ends before a device that is being attached reaches the memory', async () => {
    const order: string[] = [];
    const buffer = await engine.dma.allocate(64 << 20, { prefault: true });
    const discarding = buffer.discard(0, 64 << 20).then(() => order.push('discarded'));
    const mapping = engine.attach(PCI).then(() => order.push('attached'));
    await Promise.all([discarding, mapping]);
    assert.deepEqual(order, ['discarded', 'attached']);
    await assert.rejects(buffer.discard(0, PAGE), { code: 'EBUSY' });
  });
});
