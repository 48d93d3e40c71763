import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { readSync } from 'node:fs';

import type { AttachMessage } from '../../lib/base/diagnostics.js';
import type { Device } from '../../lib/device/device.js';
import { VfioError } from '../../lib/base/errors.js';
import { IrqWaiter } from '../../lib/irq/waiter.js';
import { VFIO_PCI_MSI_IRQ_INDEX, VFIO_PCI_REQ_IRQ_INDEX } from '../../lib/uapi/vfio.js';
import { EDU_IDENT, EDU_REG, EDU_STATUS } from '../../lib/models/edu/registers.js';
import { eventually } from '../support/open-fds.js';
import { openDescriptors, quietResources } from '../support/resources.js';
import { describeDmaMappings } from './dma-mappings.js';
import { bytesOf, dmaToDevice, dmaToMemory, fill, pattern, rejects } from './edu-dma.js';
import { type ContractSubject, type ContractTarget } from './target.js';

/** Tests that hold for every backend on every kernel. The target declares the differences. */
export function describeContract(target: ContractTarget): void {
  describe(`the contract of ${target.name}`, function () {
    this.timeout(60_000);
    let subject: ContractSubject;
    let device: Device;

    before(async () => {
      subject = await target.open();
    });
    after(() => subject.close());
    beforeEach(async () => {
      device = await subject.engine.attach(subject.edu);
    });
    afterEach(() => device.detach());

    describe('attaching', () => {
      it('reports the backend, the group and the device', () => {
        assert.equal(device.backend, target.capabilities.backend);
        assert.equal(device.groupId !== undefined, target.capabilities.groups);
        assert.equal(device.info.numRegions, 9);
        assert.equal(device.info.numIrqs, 5);
      });

      it('rejects a device that is attached, and a name that no device has', async () => {
        await rejects(subject.engine.attach(subject.edu), 'EBUSY');
        await rejects(subject.engine.attach('0000:ff:1f.7'), 'ENODEV');
        await rejects(subject.engine.attach('not a device'), 'ERR_INVALID_ARGUMENT', 'ENODEV');
      });

      it('leaves no file open after detaching', async () => {
        await device.detach();
        // libuv closes the descriptors of interrupts a turn later.
        const before = (await quietResources()).descriptors;
        for (let round = 0; round < 3; round++) {
          const again = await subject.engine.attach(subject.edu);
          await again.region(0).read32(EDU_REG.IDENT);
          await again.detach();
        }
        await eventually(() => openDescriptors().length <= before, 'no file stays open');
      });

      it('puts two devices into one address space', async () => {
        const second = await subject.engine.attach(subject.secondEdu);
        try {
          const buffer = await device.dma.allocate(4096);
          await second.config.setBusMaster(true);
          await device.config.setBusMaster(true);
          fill(buffer, 3);
          await dmaToDevice(device, buffer, 64);
          await dmaToDevice(second, buffer, 64);
          bytesOf(buffer).fill(0);
          await dmaToMemory(second, buffer, 64);
          assert.deepEqual(bytesOf(buffer).slice(0, 64), pattern(64, 3));
          await buffer.free();
        } finally {
          await second.detach();
        }
      });

      it('publishes attaches and detaches with the device, the backend and the IOMMU group', async () => {
        const messages = ['attach', 'detach'].map((verb) => messagesOf(`vfio-engine:${verb}`));
        const second = await subject.engine.attach(subject.secondEdu);
        await second.detach();
        const [attached = [], detached = []] = messages.map((each) => each.end() as AttachMessage[]);
        const group = detached[0]?.group;
        assert.match(String(group), /^\d+$/);
        if (target.capabilities.groups) assert.equal(group, second.groupId);
        const common = { device: second.name, group };
        assert.deepEqual(
          attached.map(({ backend: _, ...message }) => message),
          ['start', 'end'].map((phase) => ({ ...common, phase })),
        );
        const { backend } = target.capabilities;
        assert.deepEqual(
          detached,
          ['start', 'end'].map((phase) => ({ ...common, backend, phase })),
        );
      });

      it('rejects every use of a detached device with ERR_CLOSED', async () => {
        const region = device.region(0);
        await device.detach();
        await rejects(region.read32(0), 'ERR_CLOSED');
        assert.throws(() => device.config, { code: 'ERR_CLOSED' });
      });
    });

    describe('when the kernel asks for the device', () => {
      /** Unbinds the driver while the device is attached, and binds it again for the next test. */
      async function whileUnbinding(work: (unbinding: Promise<void>) => Promise<void>): Promise<void> {
        const unbinding = subject.unbind();
        try {
          await work(unbinding);
        } finally {
          await device.detach();
          await unbinding;
          await subject.bind();
        }
      }

      it('detaches the device with everything it holds, and the unbinding returns', async () => {
        const buffer = await device.dma.allocate(4096);
        // It may succeed, or fail because the region is closed.
        const answer = device.region(0).read32(EDU_REG.IDENT).catch(codeOf);
        const requests = messagesOf('vfio-engine:request');
        await whileUnbinding(async (unbinding) => {
          await unbinding;
          assert.equal(device.attached, false);
          // Waits until the rest is closed: the group and the container.
          await device.detach();
          assert.deepEqual(subject.engine.devices, []);
        });
        assert.deepEqual(requests.end(), [{ device: device.name }]);
        assert.match(String(await answer), new RegExp(`^(${EDU_IDENT}|ERR_CLOSED)$`));
        await buffer.free();
      });

      it('calls the handler first', async () => {
        await device.detach();
        const told: [Device, boolean][] = [];
        device = await subject.engine.attach(subject.edu, {
          onRequest: (asked) => void told.push([asked, asked.attached]),
        });
        await whileUnbinding((unbinding) => unbinding);
        assert.deepEqual(told, [[device, true]]);
        assert.equal(device.attached, false);
      });

      it('detaches the device although the handler failed, and publishes a warning', async () => {
        await device.detach();
        const failure = new Error('the user failed');
        device = await subject.engine.attach(subject.edu, { onRequest: () => Promise.reject(failure) });
        const warnings = messagesOf('vfio-engine:warning');
        await whileUnbinding((unbinding) => unbinding);
        assert.equal(device.attached, false);
        assert.deepEqual(
          warnings.end().map(({ error }) => error),
          [failure],
        );
      });

      it("leaves the device attached with onRequest: 'ignore'", async () => {
        await device.detach();
        device = await subject.engine.attach(subject.edu, { onRequest: 'ignore' });
        const request = device.irq(VFIO_PCI_REQ_IRQ_INDEX);
        await request.enable();
        await whileUnbinding(async () => {
          await request.next(0, { timeoutMs: 10_000 });
          assert.equal(device.attached, true);
        });
      });
    });

    describe('regions', () => {
      it('are read and written by an I/O worker', async () => {
        const bar = device.region(0);
        assert.equal(bar.size, 1 << 20);
        assert.equal(bar.kind === 'mapped', target.capabilities.mapped);
        assert.equal(await bar.read32(EDU_REG.IDENT), EDU_IDENT);
        await bar.write32(EDU_REG.LIVENESS, 0x12345678);
        assert.equal(await bar.read32(EDU_REG.LIVENESS), ~0x12345678 >>> 0);
      });

      it('are read and written by a synchronous accessor', () => {
        const { accessor } = device.region(0);
        accessor.write32(EDU_REG.LIVENESS, 0xcafe);
        assert.equal(accessor.read32(EDU_REG.LIVENESS), ~0xcafe >>> 0);
      });

      it('are trapped with the option trap', async () => {
        await device.detach();
        device = await subject.engine.attach(subject.edu, { trap: true });
        assert.ok(device.regions.every(({ kind }) => kind === 'trapped'));
        assert.equal(await device.region(0).read32(EDU_REG.IDENT), EDU_IDENT);
        assert.equal(device.region(0).accessor.read32(EDU_REG.IDENT), EDU_IDENT);
      });

      it('reject accesses outside of the region', async () => {
        const bar = device.region(0);
        await rejects(bar.read32(bar.size), 'ERR_OUT_OF_RANGE');
        await rejects(bar.read32(1), 'ERR_INVALID_ARGUMENT');
      });

      it('are polled until a value appears', async () => {
        const bar = device.region(0);
        await bar.write32(EDU_REG.FACTORIAL, 10);
        await bar.pollUntil(EDU_REG.STATUS, { width: 4, mask: EDU_STATUS.COMPUTING, value: 0 }, { timeoutMs: 5000 });
        assert.equal(await bar.read32(EDU_REG.FACTORIAL), 3_628_800);
      });

      it('include config space with its capabilities', async () => {
        const header = await device.config.header();
        assert.equal(header.vendorId, 0x1234);
        assert.equal(header.deviceId, 0x11e8);
        const ids = (await device.config.capabilities()).map((capability) => capability.id);
        assert.ok(ids.includes(5), 'MSI is there');
      });

      it('do not answer while memory decoding is off', async () => {
        await device.config.setMemoryDecode(false);
        if (!target.capabilities.mapped) await rejects(device.region(0).read32(0), 'EIO');
        await device.config.setMemoryDecode(true);
        assert.equal(await device.region(0).read32(0), EDU_IDENT);
      });
    });

    describe('DMA', () => {
      it('moves bytes in both directions', async () => {
        await device.config.setBusMaster(true);
        const buffer = await device.dma.allocate(8192);
        fill(buffer, 7);
        // QEMU's edu ends QEMU when a transfer reaches its buffer's last byte (7.2).
        await dmaToDevice(device, buffer, 4092);
        bytesOf(buffer).fill(0);
        await dmaToMemory(device, buffer, 4092);
        assert.deepEqual(bytesOf(buffer).slice(0, 4092), pattern(4092, 7));
        assert.deepEqual(bytesOf(buffer).slice(4092), new Uint8Array(4100));
        await buffer.free();
      });

      it('reaches the memory of a memfd that is mapped in pieces and shared with other processes', async () => {
        await device.config.setBusMaster(true);
        const buffer = await device.dma.allocate(16384, { kind: 'memfd', chunkSize: 4096 });
        assert.ok(buffer.fd !== undefined);
        fill(buffer, 5);
        await dmaToDevice(device, buffer, 64);
        await dmaToMemory(device, { iova: buffer.iova + 8192n }, 64);
        const seen = new Uint8Array(64);
        readSync(buffer.fd, seen, 0, 64, 8192);
        assert.deepEqual(seen, pattern(64, 5));
        await buffer.free();
      });

      it('reaches no memory with bus mastering off, and no unmapped memory', async () => {
        const buffer = await device.dma.allocate(4096);
        await device.config.setBusMaster(false);
        bytesOf(buffer).fill(0x5a);
        await dmaToMemory(device, buffer, 64);
        assert.equal(bytesOf(buffer)[0], 0x5a);
        await device.config.setBusMaster(true);
        const memory = new SharedArrayBuffer(8192);
        const mapping = await device.dma.map(memory, { surroundings: true });
        const { iova } = mapping;
        await mapping.unmap();
        await dmaToMemory(device, { iova }, 64);
        assert.ok(new Uint8Array(memory).every((byte) => byte === 0));
        await buffer.free();
      });

      it('rejects IOVAs outside of the valid ranges', async () => {
        const memory = device.dma.allocate(4096, { iova: 0xfee00000n });
        await rejects(memory, 'EINVAL', 'ERR_OUT_OF_RANGE', 'ERR_INVALID_ARGUMENT');
        const twice = await device.dma.allocate(4096, { iova: 0x200000n });
        await rejects(device.dma.allocate(4096, { iova: 0x200000n }), 'EEXIST');
        await twice.free();
      });
    });

    describeDmaMappings(target, () => device);

    describe('interrupts', () => {
      it('arrive exactly once', async () => {
        await device.config.setBusMaster(true);
        const msi = device.irq(VFIO_PCI_MSI_IRQ_INDEX);
        await msi.enable();
        const bar = device.region(0);
        for (let round = 1; round <= 20; round++) {
          await bar.write32(EDU_REG.IRQ_RAISE, round);
          assert.equal(await msi.next(0, { timeoutMs: 5000 }), 1);
          assert.equal(await bar.read32(EDU_REG.IRQ_STATUS), round);
          await bar.write32(EDU_REG.IRQ_ACK, round);
        }
        await msi.disable();
      });

      it('wake a thread that blocks', async () => {
        await device.config.setBusMaster(true);
        const msi = device.irq('msi');
        await msi.enable({ delivery: 'eventfd' });
        const waiter = new IrqWaiter(msi.descriptor());
        try {
          for (let round = 1; round <= 10; round++) {
            await device.region(0).write32(EDU_REG.IRQ_RAISE, round);
            assert.equal(waiter.wait({ timeoutMs: 5000 }), 1);
            await device.region(0).write32(EDU_REG.IRQ_ACK, round);
          }
          await msi.disable();
          assert.throws(() => waiter.wait({ timeoutMs: 5000 }), { code: 'ERR_CLOSED' });
        } finally {
          waiter.close();
        }
      });

      it('can be triggered without the device', async () => {
        const msi = device.irq(VFIO_PCI_MSI_IRQ_INDEX);
        await msi.enable();
        await msi.trigger();
        assert.equal(await msi.next(0, { timeoutMs: 5000 }), 1);
        await rejects(msi.next(0, { timeoutMs: 20 }), 'ERR_TIMEOUT');
      });
    });
  });
}

function codeOf(error: unknown): string {
  assert.ok(error instanceof VfioError);
  return error.code;
}

/** Collects what a diagnostics channel publishes until `end`. */
function messagesOf(channel: string): { end(): { readonly device?: string; readonly error?: unknown }[] } {
  const messages: { readonly device?: string; readonly error?: unknown }[] = [];
  const listener = (message: unknown): void => void messages.push(message as { readonly device?: string });
  subscribe(channel, listener);
  return {
    end: () => {
      unsubscribe(channel, listener);
      return messages;
    },
  };
}
