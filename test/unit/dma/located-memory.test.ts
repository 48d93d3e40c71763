import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { DmaSpace } from '../../../lib/dma/dma-space.js';
import { addon } from '../../../lib/native/addon.js';
import { allocateShared } from '../../support/allocate-shared.js';
import { collectGarbage, collectUntil, readMemory } from '../../support/own-memory.js';

const PAGE = 4096;

/** TypeScript declares it only in the types of browsers. */
const { WebAssembly } = globalThis as unknown as {
  WebAssembly: {
    Memory: new (shape: { initial: number; maximum: number; shared: boolean }) => {
      readonly buffer: SharedArrayBuffer;
      grow(pages: number): number;
    };
  };
};

const transfer = transferMethod();

describe('memory of the user, mapped for DMA', () => {
  const space = new DmaSpace();
  afterEach(() => space.unmapAll());

  it('maps all of a shared WebAssembly memory, and a part of it', async () => {
    const { buffer } = new WebAssembly.Memory({ initial: 2, maximum: 4, shared: true });
    const whole = await space.map(buffer);
    assert.deepEqual([whole.size, whole.pageOffset], [BigInt(buffer.byteLength), 0]);
    const part = await space.map(new Uint8Array(buffer, 3 * PAGE, 2 * PAGE), { iova: 0x40000000n });
    assert.deepEqual([part.iova, part.size, part.pageOffset], [0x40000000n, BigInt(2 * PAGE), 0]);
    assert.equal(part.iovaOf(PAGE), 0x40001000n);
    assert.throws(() => part.iovaOf(2 * PAGE), { code: 'ERR_OUT_OF_RANGE' });
  });

  it('keeps the mapped size when a WebAssembly memory grows', async () => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 4, shared: true });
    const mapping = await space.map(memory.buffer);
    const address = addon.bufferAddress(memory.buffer, 0);
    memory.grow(2);
    assert.equal(addon.bufferAddress(memory.buffer, 0), address);
    assert.equal(mapping.size, 65536n);
    assert.ok((await space.map(memory.buffer)).size === 3n * 65536n);
  });

  it('rejects memory that is not whole pages, or maps it with its surroundings', async () => {
    const memory = allocateShared(4 * PAGE);
    const view = new Uint16Array(memory, PAGE + 100, 2500);
    await assert.rejects(space.map(view), { code: 'ERR_INVALID_ARGUMENT' });
    const mapping = await space.map(view, { surroundings: true, iova: 0x100000n });
    assert.deepEqual([mapping.size, mapping.pageOffset], [BigInt(2 * PAGE), 100]);
    assert.deepEqual([mapping.iova, mapping.iovaOf(5), mapping.iovaOf(4999)], [0x100064n, 0x100069n, 0x1013ebn]);
    // One byte of a third page belongs to it.
    const further = await space.map(new Uint8Array(memory, PAGE, PAGE + 1), { surroundings: true });
    assert.equal(further.size, BigInt(2 * PAGE));
    // V8 does not align small buffers.
    const small = new SharedArrayBuffer(100);
    const shown = await space.map(small, { surroundings: true });
    assert.equal(shown.pageOffset, Number(addon.bufferAddress(small, 0) % BigInt(PAGE)));
    assert.equal(shown.iova % BigInt(PAGE), BigInt(shown.pageOffset));
  });

  it('references the buffer exactly while it is mapped', async () => {
    let collected = false;
    const registry = new FinalizationRegistry(() => (collected = true));
    const map = async (): Promise<() => Promise<void>> => {
      const memory = new SharedArrayBuffer(64 * PAGE);
      registry.register(memory, 0);
      const mapping = await space.map(memory, { surroundings: true });
      return () => mapping.unmap();
    };
    const unmap = await map();
    await collectGarbage();
    assert.equal(collected, false);
    await unmap();
    await collectUntil(() => collected);
    assert.equal(collected, true);
  });

  for (const [what, make] of [
    ['an ArrayBuffer that is transferred', transferred],
    ['an unshared WebAssembly memory that grows and is no longer referenced', grown],
  ] as const) {
    it(`keeps the bytes of ${what} exactly while they are mapped`, async () => {
      const { address, unmap } = await make(space);
      const bytes = new Uint8Array(PAGE);
      await collectGarbage();
      readMemory(address, bytes);
      assert.deepEqual([bytes[0], bytes[PAGE - 1]], [0x5a, 0x5a]);
      await unmap();
      const isGone = (): boolean => !addon.memoryProbe(address, BigInt(PAGE), false) || firstByte(address) !== 0x5a;
      await collectUntil(isGone);
      assert.ok(isGone());
    });
  }

  it('rejects memory that can move or go away', async () => {
    const moved = new ArrayBuffer(2 * PAGE);
    await space.map(moved, { surroundings: true });
    const { port1, port2 } = new MessageChannel();
    try {
      // Node.js 20 copies it, later ones throw.
      port1.postMessage(moved, [moved]);
    } catch (error) {
      assert.equal((error as Error).name, 'DataCloneError');
    }
    port1.close();
    port2.close();
    assert.equal(moved.byteLength, 2 * PAGE);
    await assert.rejects(space.map(new Uint8Array(16), { surroundings: true }), { code: 'ERR_INVALID_ARGUMENT' });
    await assert.rejects(space.map(new SharedArrayBuffer(0)), { code: 'ERR_INVALID_ARGUMENT' });
  });
});

/** Gets ArrayBuffer.transfer. Node.js 20 has it behind a flag, which applies to contexts that are made later. */
function transferMethod(): (this: ArrayBuffer) => ArrayBuffer {
  const { transfer: own } = ArrayBuffer.prototype as { transfer?: (this: ArrayBuffer) => ArrayBuffer };
  // The method of this context if it has one: Node.js 26 aborts if that of another context may not detach a buffer.
  if (own !== undefined) return own;
  setFlagsFromString('--harmony-rab-gsab-transfer');
  return runInNewContext('ArrayBuffer.prototype.transfer') as (this: ArrayBuffer) => ArrayBuffer;
}

interface Mapped {
  readonly address: bigint;
  readonly unmap: () => Promise<void>;
}

/** A function of its own, so that only the mapping references the memory. */
async function transferred(space: DmaSpace): Promise<Mapped> {
  // So large that it is a mapping of its own, which is unmapped when it is freed.
  const buffer = new ArrayBuffer(64 << 20);
  return mapAndEmpty(space, buffer, () => {
    try {
      transfer.call(buffer);
      return true;
    } catch (error) {
      // Node.js 24 and later do not transfer a buffer that is marked as untransferable.
      assert.equal((error as Error).message, 'ArrayBuffer is not detachable and could not be cloned.');
      return false;
    }
  });
}

async function grown(space: DmaSpace): Promise<Mapped> {
  const memory = new WebAssembly.Memory({ initial: 4, maximum: 8, shared: false });
  return mapAndEmpty(space, memory.buffer, () => memory.grow(1) > 0);
}

async function mapAndEmpty(space: DmaSpace, buffer: ArrayBufferLike, empty: () => boolean): Promise<Mapped> {
  const address = addon.bufferAddress(buffer, PAGE);
  new Uint8Array(buffer).fill(0x5a);
  const mapping = await space.map(buffer, { surroundings: true });
  const size = buffer.byteLength;
  const emptied = empty();
  assert.equal(buffer.byteLength, emptied ? 0 : size);
  return { address, unmap: () => mapping.unmap() };
}

function firstByte(address: bigint): number | undefined {
  const bytes = new Uint8Array(1);
  readMemory(address, bytes);
  return bytes[0];
}
