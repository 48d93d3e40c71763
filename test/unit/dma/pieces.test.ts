import assert from 'node:assert/strict';

import type { DmaSpace } from '../../../lib/dma/dma-space.js';
import { Engine } from '../../../lib/engine/engine.js';
import { systemError } from '../../../lib/base/errors.js';
import type { DmaMap, DmaPieces } from '../../../lib/kernel/kernel.js';
import { SoftwareMachine } from '../../../lib/software/machine/software-machine.js';
import { allocateShared } from '../../support/allocate-shared.js';

const EDU = 'f000:00:04.0';
const PAGE = 4096;
const REVERSED = [3, 2, 1, 0].map((page) => page * PAGE);

describe('equal pieces of memory', () => {
  let machine: SoftwareMachine;
  let engine: Engine;
  let dma: DmaSpace;
  /** The number of pieces that the kernel maps by one call before it rejects one; undefined: it has no such call. */
  let mapsAtOnce: number | undefined;
  /** The IOVA that the kernel does not map. */
  let refused: bigint | undefined;
  const asked: DmaPieces[] = [];

  before(async () => {
    machine = new SoftwareMachine();
    await machine.addDevice({ name: EDU, group: 0, model: 'edu' });
    const kernel = machine.process();
    const withPieces = new Proxy(kernel, {
      get(target, name) {
        if (name === 'mapDmaPieces') return mapsAtOnce === undefined ? undefined : mapSome;
        if (name === 'mapDma') return mapOne;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
    function mapOne(container: number, map: DmaMap): Promise<void> {
      if (map.iova === refused) return Promise.reject(systemError('EFAULT', 'ioctl(VFIO_IOMMU_MAP_DMA)'));
      return kernel.mapDma(container, map);
    }
    async function mapSome(container: number, flags: number, pieces: DmaPieces): Promise<number> {
      asked.push(pieces);
      const { vaddr, iova, pieceSize, offsets } = pieces;
      const some = [...offsets].slice(0, mapsAtOnce);
      for (const [index, offset] of some.entries()) {
        const at = iova + BigInt(index) * pieceSize;
        await kernel.mapDma(container, { flags, vaddr: vaddr + BigInt(offset), iova: at, size: pieceSize });
      }
      return some.length;
    }
    engine = new Engine({ kernels: [withPieces], backend: 'container' });
    ({ dma } = engine);
    await engine.attach(EDU);
  });
  after(async () => {
    await engine.close();
    await machine.close();
  });
  afterEach(async () => {
    asked.length = 0;
    mapsAtOnce = undefined;
    await dma.unmapAll();
  });

  async function entriesTaken(work: () => Promise<unknown>): Promise<number> {
    const before = (await dma.queryEntriesLeft()) ?? NaN;
    await work();
    return before - ((await dma.queryEntriesLeft()) ?? NaN);
  }

  it('are one mapping of the space, and one mapping of the kernel for each run', async () => {
    const memory = allocateShared(8 * PAGE);
    const offsets = [7, 0, 1, 2, 5].map((page) => page * PAGE);
    assert.equal(await entriesTaken(() => dma.mapPieces(memory, offsets, PAGE)), 3);
    assert.equal(dma.mappingCount, 1);
    assert.equal(await entriesTaken(() => dma.unmapAll()), -3);
  });

  it('are mapped by one call of the kernel, from a copy of the offsets', async () => {
    mapsAtOnce = 4;
    const memory = allocateShared(4 * PAGE);
    const offsets = Float64Array.from(REVERSED);
    const mapping = await dma.mapPieces(memory, offsets, PAGE);
    offsets.fill(0);
    assert.deepEqual(
      asked.map(({ iova, offsets: given, pieceSize }) => [iova, [...given], pieceSize]),
      [[mapping.iova, REVERSED, 4096n]],
    );
    const left = await dma.queryEntriesLeft();
    await mapping.unmap();
    assert.equal(await dma.queryEntriesLeft(), (left ?? NaN) + 4);
  });

  it('are mapped one by one from where the one call stopped', async () => {
    mapsAtOnce = 1;
    const memory = allocateShared(4 * PAGE);
    assert.equal(await entriesTaken(() => dma.mapPieces(memory, REVERSED, PAGE)), 4);
  });

  it('are all mapped or none, and the rejected one tells why', async () => {
    mapsAtOnce = 2;
    const memory = allocateShared(4 * PAGE);
    const iova = 0x4000_0000n;
    refused = iova + 2n * 4096n;
    const taken = await entriesTaken(async () => {
      await assert.rejects(dma.mapPieces(memory, REVERSED, PAGE, { iova }), { code: 'EFAULT' });
    });
    assert.deepEqual([taken, dma.mappingCount], [0, 0]);
    refused = undefined;
    assert.equal(await entriesTaken(() => dma.mapPieces(memory, REVERSED, PAGE, { iova })), 4);
  });

  it('are rejected if they are not whole pages or not inside the memory', async () => {
    const memory = allocateShared(4 * PAGE);
    const wrong: [number[], number][] = [
      [[], PAGE],
      [[0], 100],
      [[0], 0],
      [[1], PAGE],
      [[-PAGE], PAGE],
      [[NaN], PAGE],
      [[Infinity], PAGE],
      [[3 * PAGE], 2 * PAGE],
      [[0, 4 * PAGE], PAGE],
    ];
    for (const [offsets, size] of wrong) {
      const what = `${offsets.join()} of ${size}`;
      await assert.rejects(dma.mapPieces(memory, offsets, size), { code: 'ERR_INVALID_ARGUMENT' }, what);
    }
    assert.equal(dma.mappingCount, 0);
  });
});
