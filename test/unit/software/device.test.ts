import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { readdirSync, readFileSync } from 'node:fs';

import type { Fd } from '../../../lib/kernel/kernel.js';
import { createDefaultMachine } from '../../../lib/software/machine/default-machine.js';
import type { SoftwareMachine } from '../../../lib/software/machine/software-machine.js';
import type { SoftwareProcess } from '../../../lib/software/machine/software-process.js';
import { addon } from '../../../lib/native/addon.js';
import { VFIO_TYPE1v2_IOMMU } from '../../../lib/uapi/vfio.js';
import { EDU_BUFFER, EDU_DMA, EDU_REG } from '../../../lib/models/edu/registers.js';
import { fileOffset } from '../kernel-answers/scenario.js';
import { outcome } from './fixture.js';
import { allocateShared } from '../../support/allocate-shared.js';

const memory = allocateShared(8192);
const VADDR = addon.bufferAddress(memory, 0);

interface Open {
  readonly container: Fd;
  readonly group: Fd;
  readonly device: Fd;
}

async function open(kernel: SoftwareProcess, groupName: string, name: string): Promise<Open> {
  const container = await kernel.openContainer();
  const group = await kernel.openGroup(groupName);
  await kernel.setContainer(group, container);
  await kernel.setIommu(container, VFIO_TYPE1v2_IOMMU);
  return { container, group, device: await kernel.getDeviceFd(group, name) };
}

describe('software core: devices', () => {
  let machine: SoftwareMachine;
  let kernel: SoftwareProcess;
  let edu: string;
  let testdev: string;

  beforeEach(async () => {
    machine = await createDefaultMachine();
    kernel = machine.process();
    edu = machine.resolve('edu');
    testdev = machine.resolve('testdev');
  });
  afterEach(() => machine.close());

  const write32 = (device: Fd, offset: number, value: number): Promise<number> =>
    kernel.pwrite(device, BigInt(offset), new Uint8Array(Uint32Array.of(value).buffer));
  const startDma = async (device: Fd, source: number, target: number, toMemory: boolean): Promise<void> => {
    for (const [offset, value] of [
      [EDU_REG.DMA_SOURCE, source],
      [EDU_REG.DMA_TARGET, target],
      [EDU_REG.DMA_COUNT, 16],
      [EDU_REG.DMA_COMMAND, toMemory ? EDU_DMA.RUN | EDU_DMA.TO_MEMORY : EDU_DMA.RUN],
    ] as const) {
      await write32(device, offset, value);
    }
  };
  const dmaDone = async (device: Fd): Promise<void> => {
    const deadline = performance.now() + 5000;
    const command = async (): Promise<number> => (await kernel.pread(device, BigInt(EDU_REG.DMA_COMMAND), 4))[0] ?? 0;
    while (((await command()) & EDU_DMA.RUN) !== 0)
      assert.ok(performance.now() < deadline, 'the transfer does not end');
  };

  it('blocks, counts and publishes every access that no mapping allows', async () => {
    const faults: unknown[] = [];
    const onFault = (message: unknown): void => void faults.push(message);
    subscribe('vfio-engine:dma-fault', onFault);
    try {
      const { container, device } = await open(kernel, '0', edu);
      await kernel.pwrite(device, fileOffset(7, 4), Uint8Array.of(7, 1));
      const bytes = new Uint8Array(memory).fill(0x5a);
      // The transfer starts in the last 8 bytes of the mapping. Its second page lies outside the mapping.
      await kernel.mapDma(container, { flags: 3, iova: 0x10000n, vaddr: VADDR, size: 4096n });
      await startDma(device, EDU_BUFFER.START, 0x10ff8, true);
      await dmaDone(device);
      const deadline = performance.now() + 5000;
      while (faults.length === 0 && performance.now() < deadline) await new Promise((done) => setTimeout(done, 1));
      assert.deepEqual(faults, [{ iova: 0x11000n, size: 8n, write: true, count: 1 }]);
      assert.ok(bytes.subarray(0, 4088).every((byte) => byte === 0x5a));
      assert.ok(bytes.subarray(4088, 4096).every((byte) => byte === 0));
      assert.ok(bytes.subarray(4096).every((byte) => byte === 0x5a));
      await kernel.unmapDma(container, { flags: 2, iova: 0n, size: 0n });
    } finally {
      unsubscribe('vfio-engine:dma-fault', onFault);
    }
  });

  it('records the pages that a device writes', async () => {
    const { container, device } = await open(kernel, '0', edu);
    await kernel.pwrite(device, fileOffset(7, 4), Uint8Array.of(7, 1));
    await kernel.mapDma(container, { flags: 3, iova: 0x10000n, vaddr: VADDR, size: 8192n });
    await kernel.setDirtyTracking(container, true);
    const range = { iova: 0x10000n, size: 8192n, pageSize: 4096n };
    const word = (bits: number): Uint8Array => Uint8Array.of(bits, 0, 0, 0, 0, 0, 0, 0);
    assert.deepEqual(await kernel.getDirtyBitmap(container, range), word(0));
    await startDma(device, EDU_BUFFER.START, 0x11000, true);
    await dmaDone(device);
    assert.deepEqual(await kernel.getDirtyBitmap(container, range), word(2));
    assert.deepEqual(await kernel.getDirtyBitmap(container, range), word(0));
    await startDma(device, EDU_BUFFER.START, 0x10000, true);
    await dmaDone(device);
    const unmap = { flags: 1, iova: 0x10000n, size: 8192n, bitmap: { pageSize: 4096n, size: 8n } };
    assert.deepEqual(await kernel.unmapDma(container, unmap), { size: 8192n, bitmap: word(1) });

    await kernel.mapDma(container, { flags: 3, iova: 0x10000n, vaddr: VADDR, size: 8192n });
    await startDma(device, EDU_BUFFER.START, 0x10000, true);
    await dmaDone(device);
    await kernel.unmapDma(container, { flags: 0, iova: 0x10000n, size: 8192n });
    assert.deepEqual(await kernel.getDirtyBitmap(container, range), word(0), 'the record ends with its mapping');
  });

  it('returns a connection that workers use to access regions', async () => {
    const { device } = await open(kernel, '1', testdev);
    const target = kernel.ioTarget(device);
    assert.equal(target.kind, 'vfio-user');
    const word = new Uint8Array(4);
    const connection = target.kind === 'vfio-user' ? target.connection : -1;
    assert.equal(addon.connectionRegionRead(connection, 2, 0n, word), 4);
    assert.deepEqual(word, Uint8Array.of(0x54, 0x45, 0x53, 0x54));
  });

  it('returns the capabilities of a region only if argsz has room for them', async () => {
    const { device } = await open(kernel, '1', testdev);
    const areas = kernel.getRegionInfo(device, 2).capabilities.sparseMmap;
    assert.deepEqual(areas, [
      { offset: 0x1000n, size: 0x2000n },
      { offset: 0x8000n, size: 0x4000n },
    ]);
    assert.deepEqual(kernel.getRegionInfo(device, 2, 32 + 48).capabilities.sparseMmap, areas);
    assert.deepEqual(kernel.getRegionInfo(device, 2, 32 + 47).capabilities, {});
    assert.equal(kernel.getRegionInfo(device, 2, 32).flags & 8, 8);
  });

  it('maps sparse areas and rejects the ranges between them', async () => {
    const { device } = await open(kernel, '1', testdev);
    const map = (offset: number, length: number): Promise<string> =>
      outcome(
        () => kernel.mmap(device, fileOffset(2, offset), length, { read: true, write: true }),
        (handle) => {
          addon.mappingClose(handle);
          return 'mapped';
        },
      );
    assert.equal(await map(0x1000, 0x2000), 'mapped');
    assert.equal(await map(0x8000, 0x1000), 'mapped');
    assert.equal(await map(0, 0x1000), '-1 EINVAL');
    assert.equal(await map(0x2000, 0x2000), '-1 EINVAL');
    assert.equal(await map(0x1800, 0x1000), '-1 EINVAL');
  });

  it('removes an unplugged device after its user closed it', async () => {
    const { device, group } = await open(kernel, '0', edu);
    const request = addon.eventfdCreate();
    await kernel.setIrqs(device, { flags: 0x24, index: 4, start: 0, count: 1, eventfds: [request] });
    const removed = machine.removeDevice(edu);
    const deadline = performance.now() + 5000;
    while (addon.eventfdRead(request) === 0) {
      assert.ok(performance.now() < deadline, 'nobody asked for the device');
      await new Promise((done) => setTimeout(done, 1));
    }
    addon.closeFdSync(request);
    await kernel.close(device);
    await removed;
    assert.equal(await machine.sysfs.exists(`/sys/bus/pci/devices/${edu}`), false);
    assert.equal(await outcome(() => kernel.getGroupStatus(group)), '-1 ENODEV');
    assert.equal(await outcome(() => kernel.openGroup('0')), '-1 ENOENT');
  });

  it('closes a device whose process died, and starts it again at the next open', async () => {
    await machine.addDevice({ name: 'f000:00:06.0', group: 9, model: 'edu', placement: 'process' });
    const { device, group } = await open(kernel, '9', 'f000:00:06.0');
    await write32(device, 4, 0);
    process.kill(modelProcess(), 'SIGKILL');
    await assert.rejects(write32(device, 4, 0), { code: 'ENODEV' });
    await kernel.close(device);
    const again = await kernel.getDeviceFd(group, 'f000:00:06.0');
    assert.deepEqual(await kernel.pread(again, 0n, 4), Uint8Array.of(0xed, 0, 0, 1));
  });

  it('restores config space for each user', async () => {
    const { device, group } = await open(kernel, '0', edu);
    const config = fileOffset(7, 0);
    const fresh = await kernel.pread(device, config, 256);
    // The command register, the interrupt line, and the address of MSI.
    for (const at of [0x04n, 0x3cn, 0x44n]) await kernel.pwrite(device, config + at, Uint8Array.of(0x06, 0x5a));
    assert.notDeepEqual(await kernel.pread(device, config, 256), fresh);
    await kernel.close(device);
    const again = await kernel.getDeviceFd(group, edu);
    assert.deepEqual(await kernel.pread(again, config, 256), fresh);
  });

  it('leaks no descriptor', async () => {
    const before = readdirSync('/proc/self/fd').length;
    const other = await createDefaultMachine();
    const me = other.process();
    const { container, device } = await open(me, '0', edu);
    await open(me, '1', testdev);
    const eventfd = addon.eventfdCreate();
    await me.setIrqs(device, { flags: 0x24, index: 1, start: 0, count: 1, eventfds: [eventfd] });
    addon.closeFdSync(eventfd);
    await me.mapDma(container, { flags: 3, iova: 0x10000n, vaddr: VADDR, size: 4096n });
    await other.close();
    // The event loop closes watched descriptors in its next turn.
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(readdirSync('/proc/self/fd').length, before);
  });
});

/** Returns the process id of the model that this process started in a process. */
function modelProcess(): number {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').split(' ').filter(Boolean);
  const models = children.filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('model-process'));
  assert.equal(models.length, 1);
  return Number(models[0]);
}
