import assert from 'node:assert/strict';

import type { DmaLimits, DmaTarget } from '../../../lib/backends/dma-target.js';
import type { Device } from '../../../lib/device/device.js';
import { DmaSpace } from '../../../lib/dma/dma-space.js';
import { Engine } from '../../../lib/engine/engine.js';
import { SoftwareMachine } from '../../../lib/software/machine/software-machine.js';
import { bytesOf, dmaToMemory, rejects } from '../../contract/edu-dma.js';
import { allocateShared } from '../../support/allocate-shared.js';

const PAGE = 4096;
const MIB = 1024 * 1024;
const EDU = 'f000:00:04.0';
const SECOND = 'f000:00:05.0';

/** An IOMMU object that maps everything. */
class OneIommu implements DmaTarget {
  queryLimits = (): Promise<DmaLimits> =>
    Promise.resolve({
      ranges: undefined,
      reserved: [],
      pageSizes: 4096n,
      entriesLeft: undefined,
      entryLimit: undefined,
      dirtyPageSizes: 0n,
    });
  queryReserved = (): Promise<[]> => Promise.resolve([]);
  queryLocked = (): Promise<never> => Promise.reject(new Error('nobody asks'));
  setDirtyTracking = (): Promise<void> => Promise.resolve();
  takeDirty = (): Promise<Uint8Array> => Promise.resolve(new Uint8Array());
  unmapDirty = (): Promise<Uint8Array> => Promise.resolve(new Uint8Array());
  map = (): Promise<void> => Promise.resolve();
  unmap = ({ size }: { size: bigint }): Promise<bigint> => Promise.resolve(size);
}

describe('DMA space', () => {
  let machine: SoftwareMachine;
  let engine: Engine;
  let dma: DmaSpace;

  before(async () => {
    machine = new SoftwareMachine();
    await machine.addDevice({ name: EDU, group: 0, model: 'edu' });
    await machine.addDevice({ name: SECOND, group: 1, model: 'edu' });
    engine = new Engine({ machine, backend: 'container' });
    ({ dma } = engine);
  });
  after(async () => {
    await engine.close();
    await machine.close();
  });
  afterEach(async () => {
    for (const device of engine.devices) await device.detach();
    await dma.unmapAll();
  });

  const attach = (name = EDU): Promise<Device> => engine.attach(name, { busMaster: true });

  async function entriesTaken(work: () => Promise<unknown>): Promise<number> {
    const before = (await dma.queryEntriesLeft()) ?? NaN;
    await work();
    return before - ((await dma.queryEntriesLeft()) ?? NaN);
  }

  describe('banks of guest memory', () => {
    it('are reached at their guest addresses by every device, also by one attached later', async () => {
      const low = allocateShared(2 * PAGE);
      const high = allocateShared(PAGE);
      const first = await attach();
      await dma.addBank({ gpa: 0n, memory: low });
      await dma.addBank({ gpa: 0x100000n, memory: high });
      const later = await attach(SECOND);
      for (const [index, device] of [first, later].entries()) {
        new Uint8Array(high).fill(0x5a);
        new Uint8Array(low).fill(0x5a);
        await dmaToMemory(device, { iova: 0x100000n }, 64);
        await dmaToMemory(device, { iova: BigInt(PAGE) }, 64);
        assert.equal(new Uint8Array(high)[0], 0, `device ${index}`);
        assert.deepEqual([new Uint8Array(low)[PAGE], new Uint8Array(low)[0]], [0, 0x5a], `device ${index}`);
      }
    });

    it('do not overlap, and are removed by their address', async () => {
      const bank = await dma.addBank({ gpa: 0x100000n, memory: allocateShared(4 * PAGE) });
      const memory = allocateShared(2 * PAGE);
      for (const gpa of [0xff000n, 0x100000n, 0x102000n, 0x103000n]) {
        await rejects(dma.addBank({ gpa, memory }), 'EEXIST');
      }
      await dma.addBank({ gpa: 0xfe000n, memory });
      await dma.removeBank(0x100000n);
      assert.equal(bank.mapped, false);
      await rejects(dma.removeBank(0x100000n), 'ERR_INVALID_ARGUMENT');
      await dma.addBank({ gpa: 0x100000n, memory });
      assert.equal(dma.mappingCount, 2);
    });

    it('are not added at addresses that cannot be mapped', async () => {
      await dma.addBank({ gpa: 0xfee00000n, memory: allocateShared(PAGE) }).then(
        () => assert.fail('the interrupt window was mapped'),
        (error: { code: string }) => assert.equal(error.code, 'EINVAL'),
      );
      assert.equal(dma.mappingCount, 0);
    });
  });

  it('chooses IOVAs below 4 GiB for `below4G`', async () => {
    const far = await dma.allocate(PAGE, { iova: 0x1_0000_0000n });
    assert.equal(far.iova, 0x1_0000_0000n);
    for (let index = 0; index < 100; index++) {
      const near = await dma.allocate(PAGE, { below4G: true, alignment: 2 * MIB });
      assert.ok(near.iova + near.size <= 1n << 32n);
    }
    await rejects(dma.allocate(PAGE, { limit: 0xfffn }), 'ENOSPC');
  });

  it('aligns large memory so that the IOMMU can use large pages, if such IOVAs are free', async () => {
    const memory = allocateShared(2 * MIB);
    assert.equal((await dma.map(memory)).iova % BigInt(2 * MIB), 0n);
    await dma.unmapAll();
    // No IOVA below 64 KiB is chosen.
    const limit = BigInt(2 * MIB + 0x10000) - 1n;
    await rejects(dma.map(memory, { limit, alignment: 2 * MIB }), 'ENOSPC');
    assert.equal((await dma.map(memory, { limit })).iova, 0x10000n);
  });

  it('maps large memory in chunks, reports the progress, and can be aborted between two chunks', async () => {
    await attach();
    const progress: bigint[] = [];
    const memory = allocateShared(8 * MIB);
    const options = { chunkSize: 2 * MIB, onProgress: (mapped: bigint): void => void progress.push(mapped) };
    const mapping = await dma.map(memory, options);
    assert.deepEqual(
      progress,
      [2, 4, 6, 8].map((mib) => BigInt(mib * MIB)),
    );
    await mapping.unmap();
    const controller = new AbortController();
    const left = await dma.queryEntriesLeft();
    const reason = new Error('enough');
    const onProgress = (mapped: bigint): void => void (mapped === BigInt(4 * MIB) && controller.abort(reason));
    const map = dma.map(memory, { ...options, onProgress, signal: controller.signal });
    await assert.rejects(map, { code: 'ERR_ABORTED', cause: reason });
    assert.deepEqual([await dma.queryEntriesLeft(), dma.mappingCount], [left, 0]);
  });

  it('unmaps a map that is under way when unmapAll is called', async () => {
    await attach();
    const left = await dma.queryEntriesLeft();
    let unmapping: Promise<void> | undefined;
    const onProgress = (): void => void (unmapping ??= dma.unmapAll());
    const mapping = await dma.map(allocateShared(4 * PAGE), { chunkSize: PAGE, onProgress });
    await unmapping;
    assert.deepEqual([mapping.mapped, dma.mappingCount, await dma.queryEntriesLeft()], [false, 0, left]);
  });

  it('reports the progress over all IOMMU objects, and can be aborted without one', async () => {
    const memory = allocateShared(4 * PAGE);
    await assert.rejects(dma.map(memory, { signal: AbortSignal.abort() }), { code: 'ERR_ABORTED' });
    assert.equal(dma.mappingCount, 0);
    const [one, other] = [new OneIommu(), new OneIommu()];
    for (const target of [one, other]) await dma.mappings.addTarget(target);
    const progress: bigint[] = [];
    await dma.map(memory, { chunkSize: 2 * PAGE, onProgress: (mapped) => progress.push(mapped) });
    for (const target of [one, other]) await dma.mappings.removeTarget(target);
    assert.deepEqual(
      progress,
      [1, 2, 3, 4].map((pages) => BigInt(pages * PAGE)),
    );
  });

  describe('a list of memories', () => {
    it('is one mapping of the space, in the order given, and one of the kernel for each run', async () => {
      const device = await attach();
      const whole = allocateShared(4 * PAGE);
      const other = allocateShared(PAGE);
      const page = (index: number): Uint8Array => new Uint8Array(whole, index * PAGE, PAGE);
      const taken = await entriesTaken(async () => {
        const mapping = await dma.mapList([page(0), page(1), other, page(3), page(2)]);
        assert.deepEqual([mapping.size, dma.mappingCount], [BigInt(5 * PAGE), 1]);
        for (const [index, bytes] of [page(0), page(1), new Uint8Array(other), page(3), page(2)].entries()) {
          bytes.fill(0x5a);
          await dmaToMemory(device, { iova: mapping.iovaOf(index * PAGE + 100) }, 64);
          assert.deepEqual([bytes[99], bytes[100], bytes[163], bytes[164]], [0x5a, 0, 0, 0x5a], `memory ${index}`);
        }
      });
      assert.equal(taken, 4);
    });

    it('is one mapping of the kernel if it has no gap, and is unmapped by one call', async () => {
      await attach();
      const memory = allocateShared(64 * PAGE);
      const pages = Array.from({ length: 64 }, (_, index) => new Uint8Array(memory, index * PAGE, PAGE));
      assert.equal(await entriesTaken(() => dma.mapList(pages)), 1);
      const alone = await entriesTaken(async () => {
        for (const one of pages) await dma.map(one);
      });
      assert.equal(alone, 64);
      assert.equal(await entriesTaken(() => dma.unmapAll()), -65);
    });

    it('is all mapped or not at all, and cannot be discarded while mapped', async () => {
      await attach();
      const [one, other] = [await dma.allocate(PAGE), await dma.allocate(PAGE)];
      const iovas = [one, other].map(({ iova }) => iova);
      await one.free();
      await other.free();
      const list = await dma.mapList([one.memory, other.memory]);
      await rejects(other.discard(0, PAGE), 'EBUSY');
      await list.unmap();
      await other.discard(0, PAGE);
      const readOnly = new Uint8Array(one.memory, 0, 100);
      await rejects(dma.mapList([other.memory, readOnly]), 'ERR_INVALID_ARGUMENT');
      await rejects(dma.mapList([]), 'ERR_INVALID_ARGUMENT');
      const controller = new AbortController();
      const onProgress = (): void => controller.abort();
      await rejects(
        dma.mapList([one.memory, other.memory], { onProgress, signal: controller.signal, chunkSize: PAGE }),
        'ERR_ABORTED',
      );
      assert.equal(dma.mappingCount, 0);
      assert.equal((await dma.allocate(PAGE)).iova, iovas[0]);
    });
  });

  it('holds 65,535 mappings, rejects a further one, and unmaps all', async function () {
    this.timeout(120_000);
    await attach();
    const memory = allocateShared(PAGE);
    for (let index = 0; index < 65_535; index++) await dma.map(memory, { alignment: index % 64 === 0 ? 65536 : PAGE });
    assert.deepEqual([dma.mappingCount, await dma.queryEntriesLeft()], [65_535, 0]);
    await assert.rejects(dma.map(memory), { code: 'ENOSPC', hint: /65535 of 65535 are in use/ });
    await dma.unmapAll();
    assert.deepEqual([dma.mappingCount, await dma.queryEntriesLeft()], [0, 65_535]);
  });

  it('closes the file of a buffer that unmapAll unmaps', async () => {
    const buffer = await dma.allocate(PAGE, { kind: 'memfd' });
    await dma.unmapAll();
    assert.deepEqual([buffer.mapped, buffer.fd], [false, undefined]);
    assert.throws(() => buffer.iova, { code: 'ERR_CLOSED' });
    await buffer.free();
    assert.equal(bytesOf(buffer)[0], 0);
  });
});
