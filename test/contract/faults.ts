import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';

import type { Device } from '../../lib/device/device.js';
import type { Engine } from '../../lib/engine/engine.js';
import type { Fault, FaultPlanOptions, InjectedFault } from '../../lib/faults/fault.js';
import { FaultPlan } from '../../lib/faults/fault-plan.js';
import { IrqWaiter } from '../../lib/irq/waiter.js';
import { EDU_BUFFER, EDU_DMA, EDU_IDENT, EDU_REG } from '../../lib/models/edu/registers.js';
import { VFIO_PCI_MSI_IRQ_INDEX } from '../../lib/uapi/vfio.js';
import { eventually } from '../support/open-fds.js';
import { bytesOf, dmaToDevice, fill, rejects } from './edu-dma.js';

/** One backend over one kernel, with an edu device. */
export interface FaultTarget {
  readonly name: string;
  /** The call that maps memory, and its error if the kernel takes no more mappings. */
  readonly map: { readonly call: 'mapDma' | 'mapIoas'; readonly limit: 'ENOSPC' | 'ENOMEM' };
  /** The call that opens the device, which a fault can fail. */
  readonly open: 'openGroup' | 'openCdev';
  readonly edu: string;
  /** Creates an engine whose kernel has the faults of a plan. */
  engine(plan: FaultPlan): Promise<Engine> | Engine;
  /** Closes what belongs to all engines. */
  close(): Promise<void>;
}

const TRAPPED = { trap: true } as const;

/** Every kind of fault, on every backend. */
export function describeFaults(target: FaultTarget): void {
  describe(`faults on ${target.name}`, function () {
    this.timeout(60_000);
    let engine: Engine;
    let plan: FaultPlan;

    afterEach(() => engine.close());
    after(() => target.close());

    async function start(options: Fault | FaultPlanOptions): Promise<void> {
      plan = new FaultPlan('seed' in options ? options : { seed: 1, faults: [options] });
      engine = await target.engine(plan);
    }
    async function attach(options: Fault | FaultPlanOptions): Promise<Device> {
      await start(options);
      return engine.attach(target.edu, { ...TRAPPED, busMaster: true });
    }
    function injected(): Omit<InjectedFault, 'device'>[] {
      return plan.injected.map(({ device: _, ...fault }) => fault);
    }

    it('fails a call of the kernel with an errno, publishes it, and the next attach works', async () => {
      await start({ kind: 'fail', call: target.open, errno: 'EMFILE' });
      const published: unknown[] = [];
      const listener = (message: unknown): void => void published.push(message);
      subscribe('vfio-engine:fault', listener);
      await rejects(engine.attach(target.edu), 'EMFILE');
      unsubscribe('vfio-engine:fault', listener);
      assert.deepEqual(injected(), [{ kind: 'fail', call: target.open, number: 1, errno: 'EMFILE' }]);
      assert.deepEqual(published, plan.injected);
      const device = await engine.attach(target.edu, TRAPPED);
      assert.equal(await device.region(0).read32(EDU_REG.IDENT), EDU_IDENT);
    });

    it('fails a transfer, which then does not reach the device', async () => {
      const device = await attach({ kind: 'fail', call: 'regionWrite', at: 2, errno: 'EIO' });
      await device.region(0).write32(EDU_REG.LIVENESS, 5);
      await rejects(device.region(0).write32(EDU_REG.LIVENESS, 6), 'EIO');
      assert.equal(await device.region(0).read32(EDU_REG.LIVENESS), ~5 >>> 0);
      assert.equal(plan.injected[0]?.device, target.edu);
    });

    it('shortens reads, of a region and of config space', async () => {
      const faults: Fault[] = [{ kind: 'short-read', at: 2 }];
      const device = await attach({ seed: 1, faults });
      assert.equal(device.region(0).accessor.read32(EDU_REG.IDENT), EDU_IDENT);
      assert.throws(() => device.region(0).accessor.read32(EDU_REG.IDENT), { code: 'ERR_SHORT_TRANSFER' });
      assert.equal(device.region(0).accessor.read32(EDU_REG.IDENT), EDU_IDENT);
      await engine.close();
      await start({ kind: 'short-read', call: 'pread' });
      await rejects(engine.attach(target.edu, { trap: true, busMaster: true }), 'ERR_SHORT_TRANSFER', 'EIO');
    });

    it('answers reads with all ones, to workers and to the accessor', async () => {
      const device = await attach({ kind: 'all-ones', at: 2, times: 2 });
      const bar = device.region(0);
      assert.equal(await bar.read32(EDU_REG.IDENT), EDU_IDENT);
      assert.equal(await bar.read32(EDU_REG.IDENT), 0xffff_ffff);
      assert.equal(bar.accessor.read32(EDU_REG.IDENT), 0xffff_ffff);
      assert.equal(await bar.read32(EDU_REG.IDENT), EDU_IDENT);
    });

    it('loses, delays and doubles interrupts', async () => {
      const faults: Fault[] = [
        { kind: 'irq-lost', at: 2 },
        { kind: 'irq-late', at: 3, delayMs: 100 },
        { kind: 'irq-doubled', at: 4 },
      ];
      const device = await attach({ seed: 1, faults });
      const msi = device.irq(VFIO_PCI_MSI_IRQ_INDEX);
      await msi.enable();
      const raise = async (timeoutMs = 20_000): Promise<number> => {
        await device.region(0).write32(EDU_REG.IRQ_RAISE, 1);
        await device.region(0).write32(EDU_REG.IRQ_ACK, 1);
        return msi.next(0, { timeoutMs });
      };
      assert.equal(await raise(), 1);
      await rejects(raise(200), 'ERR_TIMEOUT');
      const before = performance.now();
      assert.equal(await raise(), 1);
      assert.ok(performance.now() - before > 90, 'the late interrupt was not late');
      assert.equal(await raise(), 2);
      assert.equal(await raise(), 1);
      assert.deepEqual(
        plan.injected.map(({ kind, number }) => [kind, number]),
        [
          ['irq-lost', 2],
          ['irq-late', 3],
          ['irq-doubled', 4],
        ],
      );
    });

    it('delivers a late interrupt no later than the vector is disabled, and wakes a thread that blocks', async () => {
      const device = await attach({ kind: 'irq-late', at: 2, delayMs: 60_000 });
      const msi = device.irq(VFIO_PCI_MSI_IRQ_INDEX);
      await msi.enable({ delivery: 'eventfd' });
      const waiter = new IrqWaiter(msi.descriptor());
      try {
        await device.region(0).write32(EDU_REG.IRQ_RAISE, 1);
        assert.equal(waiter.wait({ timeoutMs: 30_000 }), 1);
        await device.region(0).write32(EDU_REG.IRQ_RAISE, 1);
        assert.throws(() => waiter.wait({ timeoutMs: 50 }), { code: 'ERR_TIMEOUT' });
        await msi.disable();
        assert.equal(waiter.wait({ timeoutMs: 0 }), 1);
      } finally {
        waiter.close();
      }
    });

    it('fails a reset, and slows one down', async () => {
      const faults: Fault[] = [
        { kind: 'reset-failed', at: 2, errno: 'EAGAIN' },
        { kind: 'reset-slow', at: 3, delayMs: 100 },
      ];
      await start({ seed: 1, faults });
      const device = await engine.attach(target.edu, { reset: true });
      if ((device.info.flags & 1) === 0) return;
      await rejects(device.reset(), 'EAGAIN');
      const before = performance.now();
      await device.reset();
      assert.ok(performance.now() - before > 90, 'the slow reset was not slow');
    });

    it('reaches the limit of mappings, and takes more after an unmap', async () => {
      const device = await attach({ kind: 'dma-limit', entries: 2 });
      const first = await device.dma.allocate(4096);
      await device.dma.allocate(4096);
      await rejects(device.dma.allocate(4096), target.map.limit);
      await first.free();
      await device.dma.allocate(4096);
      assert.equal(plan.counts['dma-limit'], 1);
    });

    it('fails a single map as at the limit', async () => {
      const device = await attach({ kind: 'dma-limit', call: target.map.call, at: 2 });
      await device.dma.allocate(4096, { kind: 'anonymous' });
      await rejects(device.dma.allocate(4096, { kind: 'anonymous' }), target.map.limit);
      await device.dma.allocate(4096, { kind: 'anonymous' });
    });

    it('removes the device in the middle of its DMA', async () => {
      // The eighth write starts the second transfer.
      const device = await attach({ kind: 'removal', call: 'regionWrite', at: 8 });
      const buffer = await device.dma.allocate(4096);
      fill(buffer, 3);
      await dmaToDevice(device, buffer, 64);
      bytesOf(buffer).fill(0);
      const bar = device.region(0);
      await bar.write64(EDU_REG.DMA_SOURCE, BigInt(EDU_BUFFER.START));
      await bar.write64(EDU_REG.DMA_TARGET, buffer.iova);
      await bar.write64(EDU_REG.DMA_COUNT, 64n);
      await bar.write64(EDU_REG.DMA_COMMAND, BigInt(EDU_DMA.RUN | EDU_DMA.TO_MEMORY));
      await eventually(() => !device.attached, 'the detach of the removed device');
      await device.detach();
      // A short transfer may have ended before. A removed device writes nothing any more.
      const before = bytesOf(buffer).slice();
      await new Promise((resolve) => setTimeout(resolve, 200));
      assert.deepEqual(bytesOf(buffer).slice(), before);
      const replugged = await engine.attach(target.edu, TRAPPED);
      assert.equal(await replugged.region(0).read32(EDU_REG.IDENT), EDU_IDENT);
    });

    it('reads all ones of a device that was removed, in mapped memory too', async () => {
      await start({ kind: 'removal', call: 'regionRead' });
      const device = await engine.attach(target.edu, { trap: [0], onRequest: 'ignore' });
      assert.equal(await device.region(0).read32(EDU_REG.IDENT), 0xffff_ffff);
      assert.equal(await device.config.read32(0), 0xffff_ffff);
      assert.equal(await device.region(0).read32(EDU_REG.IDENT), 0xffff_ffff);
      await device.region(0).write32(EDU_REG.LIVENESS, 1);
      assert.equal(device.attached, true);
    });

    it('kills the I/O worker of the device; the write is made once and the worker is replaced', async () => {
      const device = await attach({ kind: 'worker-killed', at: 2 });
      const bar = device.region(0);
      const [worker] = engine.workerThreads;
      const ended = new Promise((resolve) => worker?.once('exit', resolve));
      await bar.write32(EDU_REG.LIVENESS, 1);
      await bar.write32(EDU_REG.LIVENESS, 2).catch((error: unknown) => error);
      await ended;
      await eventually(() => engine.workerThreads.some((thread) => thread !== worker), 'a new I/O worker');
      assert.equal(await bar.read32(EDU_REG.LIVENESS), ~2 >>> 0);
      assert.deepEqual(injected(), [{ kind: 'worker-killed', call: 'regionWrite', number: 2 }]);
    });

    it('gives the same faults for the same seed, and others for another one', async () => {
      const rates = { fail: 0.1, 'short-read': 0.1, 'all-ones': 0.1, 'irq-lost': 0.2, 'dma-limit': 0.2 } as const;
      const run = async (seed: number): Promise<readonly InjectedFault[]> => {
        await start({ seed, rates });
        await workWithFaults(engine, target.edu);
        await engine.close();
        return plan.injected;
      };
      const first = await run(7);
      assert.ok(first.length > 20, `${first.length} faults`);
      assert.deepEqual(await run(7), first);
      assert.notDeepEqual(await run(8), first);
    });
  });
}

/** Attaches until it succeeds, then makes accesses, maps and interrupts one by one, and ignores their failures. */
async function workWithFaults(engine: Engine, name: string): Promise<void> {
  const attach = (): Promise<Device> =>
    engine.attach(name, { ...TRAPPED, onRequest: 'ignore' }).catch((): Promise<Device> => attach());
  const device = await attach();
  const bar = device.region(0);
  const ignore = async (work: () => unknown): Promise<unknown> => {
    try {
      return await work();
    } catch (error) {
      return error;
    }
  };
  for (let round = 0; round < 60; round++) {
    await ignore(() => bar.read32(EDU_REG.IDENT));
    await ignore(() => bar.write32(EDU_REG.LIVENESS, round));
    await ignore(async () => (await device.dma.allocate(4096)).free());
  }
}
