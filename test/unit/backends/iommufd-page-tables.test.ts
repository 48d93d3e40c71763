import assert from 'node:assert/strict';

import { Ioas, type KernelWithIommufd } from '../../../lib/backends/iommufd/ioas.js';
import { PageTables } from '../../../lib/backends/iommufd/page-tables.js';
import { systemError, VfioError } from '../../../lib/base/errors.js';
import type { IoasFileMap, IoasMap } from '../../../lib/kernel/iommufd.js';
import { IOMMU_HW_CAP_DIRTY_TRACKING, IOMMU_HWPT_ALLOC_DIRTY_TRACKING } from '../../../lib/uapi/iommufd.js';
import { Unwinding } from '../../../lib/base/unwinding.js';

const IOMMUFD = 9;
const IOAS = 1;
const RANGE = { iova: 0x10000n, size: 0x4000n, pageSize: 0x1000n };

interface FakeDevice {
  /** Which IOMMU it stands behind; page tables of one do not fit another. */
  readonly iommu: number;
  readonly tracks?: boolean;
  /** What GET_HW_INFO answers in place of capabilities. */
  readonly infoError?: 'EOPNOTSUPP' | 'EIO';
}

/** iommufd's page tables as Linux has them, in so far as they are asked of: no IOMMU of QEMU's tracks writes. */
class FakeIommufd {
  readonly tables = new Map<number, { iommu: number; tracking: boolean }>();
  readonly attached = new Map<number, number>();
  calls = 0;
  failAt = 0;
  #nextId = 10;

  /** @param devices by descriptor, which is the id as well */
  constructor(readonly devices: Readonly<Record<number, FakeDevice>>) {}

  getHwInfo = (_: number, id: number): { type: number; capabilities: bigint; data: Uint8Array } => {
    this.#step();
    const { tracks, infoError } = this.#device(id);
    if (infoError !== undefined) throw systemError(infoError, 'ioctl(IOMMU_GET_HW_INFO)');
    return { type: 0, capabilities: tracks === true ? IOMMU_HW_CAP_DIRTY_TRACKING : 0n, data: new Uint8Array(0) };
  };

  allocHwpt = async (_: number, flags: number, deviceId: number, ioasId: number): Promise<number> => {
    this.#step();
    assert.deepEqual([flags, ioasId], [IOMMU_HWPT_ALLOC_DIRTY_TRACKING, IOAS]);
    const id = this.#nextId++;
    this.tables.set(id, { iommu: this.#device(deviceId).iommu, tracking: false });
    return Promise.resolve(id);
  };

  attachIommufdPt = async (device: number, ptId: number): Promise<number> => {
    this.#step();
    const table = this.tables.get(ptId);
    if (ptId !== IOAS && table?.iommu !== this.#device(device).iommu) throw systemError('EINVAL', 'attach');
    this.attached.set(device, ptId);
    return Promise.resolve(ptId);
  };

  detachIommufdPt = async (device: number): Promise<void> => {
    this.attached.delete(device);
    return Promise.resolve();
  };

  destroy = async (_: number, id: number): Promise<void> => {
    if ([...this.attached.values()].includes(id)) throw systemError('EBUSY', 'ioctl(IOMMU_DESTROY)');
    assert.ok(this.tables.delete(id));
    return Promise.resolve();
  };

  setHwptDirtyTracking = async (_: number, id: number, enabled: boolean): Promise<void> => {
    this.#step();
    this.#table(id).tracking = enabled;
    return Promise.resolve();
  };

  /** The page tables that were read, where one tells but once. */
  read: Set<number> | undefined;

  /** Each page table has its own page written. */
  getHwptDirtyBitmap = async (_: number, id: number, { keep }: { keep?: boolean }): Promise<Uint8Array> => {
    this.#step();
    if (this.read?.has(id) === true) return Promise.resolve(new Uint8Array(8));
    if (keep !== true) this.read?.add(id);
    return Promise.resolve(Uint8Array.of((1 << (id - 10)) | (keep === true ? 8 : 0), 0, 0, 0, 0, 0, 0, 0));
  };

  #step(): void {
    this.calls += 1;
    if (this.calls === this.failAt) throw systemError('ENOMEM', 'ioctl');
  }

  #device(fd: number): FakeDevice {
    const device = this.devices[fd];
    assert.ok(device);
    return device;
  }

  #table(id: number): { tracking: boolean } {
    const table = this.tables.get(id);
    assert.ok(table);
    return table;
  }
}

describe('PageTables of iommufd', () => {
  const DEVICES = {
    20: { iommu: 0, tracks: true },
    21: { iommu: 0, tracks: true },
    22: { iommu: 1, tracks: true },
    23: { iommu: 0 },
    24: { iommu: 0, infoError: 'EOPNOTSUPP' },
    25: { iommu: 0, infoError: 'EIO' },
  } as const;
  let kernel: FakeIommufd;
  let tables: PageTables;
  beforeEach(() => {
    kernel = new FakeIommufd(DEVICES);
    tables = new PageTables(kernel, IOMMUFD, IOAS);
  });

  async function attach(device: keyof typeof DEVICES): Promise<Unwinding> {
    const undo = new Unwinding();
    await tables.attach(device, device, undo);
    return undo;
  }

  it('attaches a device to the IOAS if its IOMMU cannot track writes', async () => {
    await attach(23);
    const undo = await attach(24);
    assert.deepEqual(
      [...kernel.attached],
      [
        [23, IOAS],
        [24, IOAS],
      ],
    );
    assert.equal(tables.tracks, false);
    await assert.rejects(tables.setTracking(true), { code: 'ERR_NOT_SUPPORTED' });
    await assert.rejects(tables.readDirty(RANGE), { code: 'ERR_NOT_SUPPORTED' });
    await undo.runOrThrow();
    assert.deepEqual([...kernel.attached.keys()], [23]);
    await assert.rejects(attach(25), { code: 'EIO' });
  });

  it('shares a page table between devices of one IOMMU, and destroys it with the last', async () => {
    const [one, two, other] = [await attach(20), await attach(21), await attach(22)];
    assert.deepEqual(
      [...kernel.attached],
      [
        [20, 10],
        [21, 10],
        [22, 11],
      ],
    );
    assert.equal(tables.tracks, true);
    await one.runOrThrow();
    assert.deepEqual([...kernel.tables.keys()], [10, 11]);
    await two.runOrThrow();
    await other.runOrThrow();
    assert.deepEqual([kernel.tables.size, kernel.attached.size, tables.tracks], [0, 0, false]);
  });

  it('reports all dirty pages although one page table failed before', async () => {
    await attach(20);
    await attach(22);
    await tables.setTracking(true);
    kernel.read = new Set();
    for (const keep of [true, false]) {
      kernel.failAt = kernel.calls + 2;
      await assert.rejects(tables.readDirty(RANGE, keep), { code: 'ENOMEM' });
    }
    assert.deepEqual([...(await tables.readDirty(RANGE, true))], [3 | 8]);
    assert.deepEqual([...(await tables.readDirty(RANGE))], [3 | 8]);
    assert.deepEqual([...(await tables.readDirty(RANGE))], [0]);
  });

  it('forgets the pages written before tracking was restarted', async () => {
    await attach(20);
    await tables.setTracking(true);
    await tables.readDirty(RANGE, true);
    kernel.read = new Set([10]);
    await tables.setTracking(false);
    await tables.setTracking(true);
    assert.deepEqual([...(await tables.readDirty(RANGE))], [0]);
  });

  it('forgets the dirty pages of an unmapped range', async () => {
    await attach(20);
    await tables.readDirty(RANGE, true);
    kernel.read = new Set([10]);
    tables.forget(RANGE.iova, RANGE.size);
    assert.deepEqual([...(await tables.readDirty(RANGE))], [0]);
  });

  it('tracks on all page tables or on none, later ones too', async () => {
    await attach(20);
    await tables.setTracking(true);
    await attach(22);
    assert.deepEqual(
      [...kernel.tables.values()].map(({ tracking }) => tracking),
      [true, true],
    );
    assert.deepEqual([...(await tables.readDirty(RANGE))], [3]);
    assert.deepEqual([...(await tables.readDirty(RANGE, true))], [3 | 8]);
    kernel.failAt = kernel.calls + 2;
    await assert.rejects(tables.setTracking(false), { code: 'ENOMEM' });
    assert.deepEqual(
      [...kernel.tables.values()].map(({ tracking }) => tracking),
      [true, true],
    );
  });

  it('leaves nothing behind if any step fails', async () => {
    for (let failAt = 1; ; failAt += 1) {
      kernel = new FakeIommufd(DEVICES);
      kernel.failAt = failAt;
      tables = new PageTables(kernel, IOMMUFD, IOAS);
      const undo = new Unwinding();
      try {
        await tables.attach(20, 20, undo);
        await tables.attach(22, 22, undo);
      } catch (error) {
        assert.ok(error instanceof VfioError && error.code === 'ENOMEM');
        assert.deepEqual(await undo.run(), []);
        assert.deepEqual([kernel.tables.size, kernel.attached.size], [0, 0], `a failure of call ${failAt}`);
        continue;
      }
      assert.equal(failAt, 8);
      return;
    }
  });
});

describe('mapping a memfd by its file', () => {
  const map = {
    vaddr: 0x7000n,
    iova: 0x1000n,
    size: 0x1000n,
    read: true,
    write: false,
    file: { fd: 5, offset: 0x2000n },
  };
  let byFile: IoasFileMap[];
  let byAddress: IoasMap[];
  let asked: number;

  async function ioas(error?: VfioError): Promise<Ioas> {
    [byFile, byAddress, asked] = [[], [], 0];
    const kernel: Partial<KernelWithIommufd> = {
      openIommufd: () => Promise.resolve(IOMMUFD),
      allocIoas: () => IOAS,
      mapIoas: (_, request) => (byAddress.push(request), Promise.resolve(request.iova)),
      mapIoasFile: (_, request) => {
        asked += 1;
        if (error !== undefined) return Promise.reject(error);
        byFile.push(request);
        return Promise.resolve(request.iova);
      },
    };
    return Ioas.create(kernel as KernelWithIommufd, {} as never);
  }

  it('uses the file if the kernel supports it', async () => {
    const space = await ioas();
    await space.map(map);
    assert.deepEqual(byFile, [{ ioasId: IOAS, flags: 5, file: 5, start: 0x2000n, iova: 0x1000n, size: 0x1000n }]);
    await space.map({ ...map, file: undefined });
    assert.deepEqual(byAddress, [{ ioasId: IOAS, flags: 5, vaddr: 0x7000n, iova: 0x1000n, size: 0x1000n }]);
  });

  it('tries the file only once on a kernel without support', async () => {
    const space = await ioas(systemError('ENOTTY', 'ioctl(IOMMU_IOAS_MAP_FILE)'));
    await space.map(map);
    await space.map(map);
    assert.deepEqual([asked, byAddress.length], [1, 2]);
  });

  it('fails with any other error of the kernel', async () => {
    const space = await ioas(systemError('ENOMEM', 'ioctl(IOMMU_IOAS_MAP_FILE)'));
    await assert.rejects(space.map(map), { code: 'ENOMEM' });
    assert.deepEqual(byAddress, []);
  });
});
