import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { AttachOptions } from '../../../lib/engine/engine.js';
import type { Device } from '../../../lib/device/device.js';
import { Engine } from '../../../lib/engine/engine.js';
import { systemError } from '../../../lib/base/errors.js';
import { SoftwareMachine } from '../../../lib/software/machine/software-machine.js';
import type { MachineOptions, ProcessOptions } from '../../../lib/software/machine/machine-options.js';
import { describeLockedMemory, readLockedMemory } from '../../../lib/kernel/locked-memory.js';
import { refuses } from '../../guest/support/refuses.js';

const EDU = 'f000:00:04.0';
const SIBLING = 'f000:00:04.1';

/** The guest shows the same on the real kernel: test/guest/specs/default/stumbling-*.test.ts. */
describe('the hints of failures by containers, on the software core', () => {
  const closing: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  async function machineWithEdu(options: MachineOptions = {}): Promise<SoftwareMachine> {
    const machine = new SoftwareMachine(options);
    closing.push(() => machine.close());
    await machine.addDevice({ name: EDU, group: 0, model: 'edu' });
    return machine;
  }

  function engineOf(machine: SoftwareMachine, options: ProcessOptions = {}): Engine {
    const engine = new Engine({ kernels: [machine.process(options)], backend: 'container' });
    closing.push(() => engine.close());
    return engine;
  }

  async function attached(options: MachineOptions = {}, attaching: AttachOptions = {}): Promise<Device> {
    return engineOf(await machineWithEdu(options)).attach(EDU, attaching);
  }

  it('name the function and its driver if a group is not viable', async () => {
    const machine = await machineWithEdu();
    await machine.addDevice({ name: SIBLING, group: 0, driver: 'e1000e' });
    const engine = engineOf(machine);
    await refuses(engine.attach(EDU), 'EPERM', ['group 0 is not viable', `${SIBLING} of the same group`, 'to e1000e']);
    await machine.unbindDriver(SIBLING);
    await engine.attach(EDU);
  });

  it('say that a group has one user at a time', async () => {
    const machine = await machineWithEdu();
    const first = await engineOf(machine).attach(EDU);
    const second = engineOf(machine);
    await refuses(second.attach(EDU), 'EBUSY', ['one user at a time']);
    await first.detach();
    await second.attach(EDU);
  });

  it('give the bytes needed, locked and allowed if memory cannot be locked', async () => {
    const engine = engineOf(await machineWithEdu(), { capIpcLock: false, memlockLimit: 65536 });
    const device = await engine.attach(EDU);
    await device.dma.allocate(16384);
    await refuses(device.dma.allocate(1 << 20), 'ENOMEM', [
      'raise ulimit -l: 1048576 bytes more are needed, 16384 are locked by this process, the limit is 65536 bytes',
    ]);
    // Of the four pieces three fit, were they not one map: what is locked meanwhile counts, and the rest is needed.
    await refuses(device.dma.allocate(65536, { chunkSize: 16384 }), 'ENOMEM', [
      '16384 bytes more are needed, 65536 are locked',
    ]);
    await device.dma.allocate(49152);
  });

  it('explain an attach that cannot map the memory mapped before it', async () => {
    const wide = engineOf(await machineWithEdu());
    const buffer = await wide.dma.allocate(4096, { iova: 0x10000n });
    const device = await wide.attach(EDU);
    await refuses(device.dma.allocate(4096, { iova: 0x10000n }), 'EEXIST', ['0x10000-0x10fff']);
    assert.ok(buffer.mapped);

    const narrow = engineOf(await machineWithEdu({ addressWidth: 39 }));
    const far = await narrow.dma.allocate(4096, { iova: 1n << 40n });
    await refuses(narrow.attach(EDU), 'EINVAL', ['0x10000000000-0x10000000fff cannot be mapped', '0x7fffffffff']);
    await far.free();
    await narrow.attach(EDU);
  });

  it('give the ranges for an IOVA outside of them', async () => {
    const device = await attached({ addressWidth: 39 });
    await refuses(device.dma.allocate(4096, { iova: 1n << 39n }), 'EINVAL', [
      '0x8000000000-0x8000000fff cannot be mapped; the IOVAs that can be mapped are 0x0-0xfedfffff, 0xfef00000-0x7fffffffff',
    ]);
  });

  it('say that the reason is unknown if the kernel gives none', async () => {
    const refusing = (await machineWithEdu()).process();
    refusing.mapDma = () => Promise.reject(systemError('EINVAL', 'ioctl(VFIO_IOMMU_MAP_DMA)'));
    const engine = new Engine({ kernels: [refusing], backend: 'container' });
    closing.push(() => engine.close());
    const device = await engine.attach(EDU);
    await refuses(device.dma.allocate(4096, { iova: 0x10000n }), 'EINVAL', [
      'the kernel rejected 0x10000-0x10fff, although it is inside 0x0-0xfedfffff, ',
    ]);
  });

  it('give the reserved range and its type for a reserved IOVA', async () => {
    const direct = { start: 0x20000n, last: 0x2ffffn, type: 'direct' as const };
    const msi = { start: 0xfee00000n, last: 0xfeefffffn, type: 'msi' as const };
    const device = await attached({ reservedRegions: [direct, msi] });
    await refuses(device.dma.allocate(8192, { iova: 0x1f000n }), 'EINVAL', [
      "0x1f000-0x20fff cannot be mapped: 0x20000-0x2ffff is reserved for the firmware's own mappings (direct)",
    ]);
    await refuses(device.dma.allocate(4096, { iova: 0xfee00000n }), 'EINVAL', [
      '0xfee00000-0xfeefffff is reserved for interrupt messages (msi)',
    ]);
  });

  it('name the bit to set if memory decoding is off', async () => {
    const device = await attached({}, { trap: true });
    await device.config.setMemoryDecode(false);
    await refuses(device.region(0).read32(0), 'EIO', ['command register', 'setMemoryDecode(true)']);
    assert.throws(() => device.region(0).accessor.read32(0), /setMemoryDecode\(true\)/);
    await device.config.setMemoryDecode(true);
    assert.equal(await device.region(0).read32(0), 0x010000ed);
  });

  it('give the limit and the number of mappings if there are too many', async () => {
    const device = await attached({ dmaEntryLimit: 3 });
    const first = await device.dma.allocate(4096);
    await device.dma.allocate(8192);
    // The third mapping fits as one piece, but not as two.
    await refuses(device.dma.allocate(8192, { chunkSize: 4096 }), 'ENOSPC', [
      'the limit of mappings is reached',
      'dma_entry_limit',
      '3 of 3 are in use, beside this one there are 2 mappings of 12288 bytes',
    ]);
    await device.dma.allocate(8192);
    await first.free();
    await device.dma.allocate(4096);
  });

  it('name the alternative for a device without a reset', async () => {
    const device = await attached();
    await refuses(device.reset(), 'ERR_NOT_SUPPORTED', ['by its own registers', 'detach every device of its bus']);
  });
});

describe('readLockedMemory', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'vfio-proc-self-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  function proc(status: string, limit: string): void {
    writeFileSync(join(root, 'status'), status);
    writeFileSync(join(root, 'limits'), `Max locked memory         ${limit}              8388608              bytes\n`);
  }

  it('reads the count of type1 for the process, and of iommufd for the user', async () => {
    proc('Name:\tnode\nVmLck:\t     128 kB\nVmPin:\t      64 kB\n', '65536');
    const type1 = await readLockedMemory('type1', root);
    assert.deepEqual(type1, { lockedBytes: 131072n, limitBytes: 65536n, countedFor: 'process' });
    const iommufd = await readLockedMemory('iommufd', root);
    assert.deepEqual(iommufd, { lockedBytes: 65536n, limitBytes: 65536n, countedFor: 'user' });
    assert.match(describeLockedMemory(iommufd), /^65536 are locked .*the limit is 65536 bytes for all processes/);
  });

  it('returns unlimited or undefined', async () => {
    proc('Name:\tnode\n', 'unlimited');
    assert.deepEqual(await readLockedMemory('type1', root), {
      lockedBytes: undefined,
      limitBytes: 'unlimited',
      countedFor: 'process',
    });
    writeFileSync(join(root, 'limits'), '');
    const { limitBytes } = await readLockedMemory('type1', root);
    assert.equal(limitBytes, undefined);
  });

  it('reads the values of this process', async () => {
    const { lockedBytes, limitBytes } = await readLockedMemory('type1');
    assert.equal(typeof lockedBytes, 'bigint');
    assert.notEqual(limitBytes, undefined);
  });
});
