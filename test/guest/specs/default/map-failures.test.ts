import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import type { BackendName } from '../../../../lib/backends/backend.js';
import type { Device } from '../../../../lib/device/device.js';
import type { Engine } from '../../../../lib/engine/engine.js';
import { BDF } from '../../devices.js';
import { linuxEngine } from '../../support/engine.js';
import { bind, restore } from '../../support/binding.js';
import { refuses } from '../../support/refuses.js';

const run = promisify(execFile);
const MEMLOCK_CHILD = fileURLToPath(new URL('../../support/memlock-child.js', import.meta.url));
const ENTRY_LIMIT = '/sys/module/vfio_iommu_type1/parameters/dma_entry_limit';

for (const backend of ['container', 'iommufd'] as const satisfies readonly BackendName[]) {
  describe(`the hints of maps that fail, by ${backend}`, () => {
    let engine: Engine;
    let device: Device;

    before(async () => {
      await bind(BDF.edu);
      engine = linuxEngine({ backend });
      device = await engine.attach(BDF.edu);
    });
    after(async () => {
      await engine.close();
      await restore(BDF.edu);
    });

    it('give the ranges for an IOVA outside of them', async () => {
      const [first] = device.dma.ranges;
      const beyond = 1n << 60n;
      const asked = `0x${beyond.toString(16)}-0x${(beyond + 4095n).toString(16)} cannot be mapped`;
      const there = `the IOVAs that can be mapped are 0x${first?.start.toString(16)}-0x${first?.last.toString(16)}`;
      await refuses(device.dma.allocate(4096, { iova: beyond }), 'EINVAL', [asked, there]);
    });

    it('name the range reserved for interrupt messages', async () => {
      await refuses(device.dma.allocate(4096, { iova: 0xfee00000n }), 'EINVAL', [
        '0xfee00000-0xfee00fff cannot be mapped: 0xfee00000-0xfeefffff is reserved for interrupt messages (msi)',
      ]);
    });

    it('name the mapping that is already there', async () => {
      const buffer = await device.dma.allocate(8192, { iova: 0x100000n });
      await refuses(device.dma.allocate(8192, { iova: 0x101000n }), 'EEXIST', [
        '0x101000-0x102fff overlaps the mapping 0x100000-0x101fff: unmap it first',
      ]);
      await buffer.free();
    });

    it('map memory into a device that is attached later', async () => {
      const early = linuxEngine({ backend });
      try {
        const buffer = await early.dma.allocate(4096, { iova: 0x200000n });
        await bind(BDF.eduWide);
        const late = await early.attach(BDF.eduWide);
        await refuses(late.dma.allocate(4096, { iova: 0x200000n }), 'EEXIST', ['0x200000-0x200fff']);
        await late.detach();
        await buffer.free();
      } finally {
        await early.close();
        await restore(BDF.eduWide);
      }
    });
  });
}

describe('mapping more memory than the process may lock', () => {
  before(() => bind(BDF.edu));
  after(() => restore(BDF.edu));

  it('gives the bytes needed and allowed, with a container and with iommufd', async () => {
    const limit = ['--memlock=65536:65536', process.execPath, MEMLOCK_CHILD, BDF.edu, 'container', 'iommufd'];
    // Root without CAP_IPC_LOCK, as any user is; the node and the group are root's.
    const { stdout } = await run('setpriv', ['--bounding-set=-ipc_lock', 'prlimit', ...limit]);
    const refusals = Object.entries(JSON.parse(stdout) as Record<string, { code: string; message: string }>);
    assert.deepEqual(
      refusals.map(([backend, { code }]) => [backend, code]),
      [
        ['container', 'ENOMEM'],
        ['iommufd', 'ENOMEM'],
      ],
    );
    for (const [backend, { message }] of refusals) {
      assert.match(
        message,
        /raise ulimit -l: 1048576 bytes more are needed, 16384 are locked by this process, the limit is 65536 bytes/,
      );
      // Source: IOPT_PAGES_ACCOUNT_USER
      assert.equal(message.includes('for all processes of the user'), backend === 'iommufd', message);
    }
  });
});

describe('mapping more pieces than type1 allows', () => {
  const before_ = readFileSync(ENTRY_LIMIT, 'latin1').trim();
  let engine: Engine;

  before(async () => {
    await bind(BDF.edu);
    // Read when the container gets its IOMMU. Source: vfio_iommu_type1_open
    writeFileSync(ENTRY_LIMIT, '3');
    engine = linuxEngine({ backend: 'container' });
  });
  after(async () => {
    await engine.close();
    writeFileSync(ENTRY_LIMIT, before_);
    await restore(BDF.edu);
  });

  it('gives the limit and the number of mappings, and keeps the mappings', async () => {
    const device = await engine.attach(BDF.edu);
    const buffers = [];
    for (let i = 0n; i < 3n; i++) buffers.push(await device.dma.allocate(4096, { iova: 0x100000n + i * 0x10000n }));
    await refuses(device.dma.allocate(4096), 'ENOSPC', [
      'the limit of mappings is reached',
      'dma_entry_limit',
      '3 of 3 are in use, beside this one there are 3 mappings of 12288 bytes',
    ]);
    await buffers[0]?.free();
    const again = await device.dma.allocate(4096);
    for (const buffer of [...buffers.slice(1), again]) await buffer.free();
    await device.detach();
  });
});
