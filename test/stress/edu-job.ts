import { setTimeout as sleep } from 'node:timers/promises';

import type { Device } from '../../lib/device/device.js';
import { EDU_DMA, EDU_DMA_MASK, EDU_REG } from '../../lib/models/edu/registers.js';
import { VFIO_PCI_MSI_IRQ_INDEX } from '../../lib/uapi/vfio.js';
import { dmaToDevice, dmaToMemory } from '../contract/edu-dma.js';
import { receiver, type Received } from './interrupts.js';
import { Ledger } from './ledger.js';
import { type Job, runSteps, type Session } from './session.js';
import { noteLost } from './tally.js';
import { compare } from './testdev-job.js';

/** QEMU's edu ends QEMU if a transfer reaches the last byte of its buffer (7.2). */
const MOST_DMA = 4092;
const MOST_RAISES = 12;
/** How long an interrupt may need from the device to the process. The guest's CPU is emulated. */
const DELIVERY_MS = 2000;

/**
 * Uses an edu, of the software core or of QEMU. It counts nothing itself: each write that raises an interrupt is counted by
 * its interrupt.
 */
export const workEdu: Job = async (device, session) => {
  await runSteps(device, session, 4, [
    ['register writes', () => liveness(device, session)],
    ['interrupts', () => interrupts(device, session)],
    ['DMA', () => dma(device, session)],
  ]);
};

/** Writes numbers and reads their inverses. */
async function liveness(device: Device, session: Session): Promise<void> {
  const bar = device.region(0);
  const value = session.random(0, 0x7fff_ffff);
  const faults = session.faults.length;
  await bar.write32(EDU_REG.LIVENESS, value);
  const read = await bar.read32(EDU_REG.LIVENESS);
  session.tally.operations += 2;
  const wrong = read !== ~value >>> 0 && session.faults.length === faults && !session.isVoid;
  noteLost(session.tally, Number(wrong), `a write of ${session.name}: ${read} where ${~value >>> 0} was expected`);
}

/** Raises interrupts one by one and counts them. */
async function interrupts(device: Device, session: Session): Promise<void> {
  const bar = device.region(0);
  const msi = device.irq(VFIO_PCI_MSI_IRQ_INDEX);
  const received = receiver(session);
  await msi.enable({ handler: received.handler });
  const ledger = new Ledger(session.tally, `writes of ${session.name}, counted by their interrupts`);
  for (let count = session.random(1, MOST_RAISES); count > 0; count--) {
    const before = accounted(session, received);
    try {
      await bar.write32(EDU_REG.IRQ_RAISE, 1);
      ledger.succeeded();
      // The next interrupt must not be raised before this one was taken: the CPU would merge both.
      const deadline = performance.now() + DELIVERY_MS;
      while (accounted(session, received) === before && performance.now() < deadline) await sleep(1);
    } catch (error) {
      ledger.failed(error);
      await sleep(20);
    }
    await bar.write32(EDU_REG.IRQ_ACK, 1).catch(() => undefined);
  }
  await msi.disable();
  session.tally.interrupts += received.count;
  if (!session.isVoid) ledger.check(accounted(session, received));
}

/** Counts the interrupts that the device has sent: those that arrived, without those that the plan doubled or lost. */
function accounted({ faults }: Session, { count, before }: Received): number {
  const countOf = (kind: string): number => faults.filter((fault) => fault.kind === kind).length;
  return count + (countOf('irq-lost') - before.lost) - (countOf('irq-doubled') - before.doubled);
}

/** Moves bytes to the device and back. */
async function dma(device: Device, session: Session): Promise<void> {
  const length = session.random(1, MOST_DMA / 4) * 4;
  const source = await device.dma.allocate(4096, { limit: EDU_DMA_MASK });
  try {
    const target = await device.dma.allocate(4096, { limit: EDU_DMA_MASK });
    try {
      const seed = session.random(1, 255);
      source.bytes.forEach((_, index) => (source.bytes[index] = (index * 29 + seed) & 0xff));
      // A transfer of an earlier step, which was given up, ends first.
      const idle = { width: 8, mask: BigInt(EDU_DMA.RUN), value: 0n } as const;
      await device.region(0).pollUntil(EDU_REG.DMA_COMMAND, idle);
      const faults = session.faults.length;
      await dmaToDevice(device, source, length);
      await dmaToMemory(device, target, length);
      if (session.faults.length === faults)
        compare(session, source.bytes.slice(0, length), target.bytes.slice(0, length));
    } finally {
      await target.free();
    }
  } finally {
    await source.free();
  }
}
