import type { Device } from '../../lib/device/device.js';
import { LaneProducer } from '../../lib/lane/lane-producer.js';
import { BAR, DMA, REG } from '../../lib/models/testdev/layout.js';
import { Program } from '../../lib/region/program.js';
import type { Region } from '../../lib/region/region.js';
import { VFIO_PCI_MSIX_IRQ_INDEX } from '../../lib/uapi/vfio.js';
import { checkInterrupts, receiver } from './interrupts.js';
import { ALL_ONES, Ledger } from './ledger.js';
import { type Job, runSteps, type Session } from './session.js';
import { noteLost } from './tally.js';

const PAGE = 4096;
const MOST_READS = 24;
/** A program of so many reads lasts for some tenths of a second: workers die in the middle of it. */
const MOST_STEPS = 400;
const LANE_POLL_MS = 1;

/** Reads a register whose value is known not to be all ones. @throws what the last of several reads rejects with */
async function readSurely(region: Region, register: number): Promise<number> {
  for (let tries = 0; ; tries++) {
    try {
      const value = await region.read32(register);
      if (value !== ALL_ONES || tries === 10) return value;
    } catch (error) {
      if (tries === 10) throw error;
    }
  }
}

/**
 * Uses a testdev. Its COUNTER counts its reads and MESSAGES the interrupts that were asked for: they tell how often each
 * operation was carried out.
 */
export const workTestdev: Job = async (device, session) => {
  const registers = device.region(BAR.REGISTERS);
  await runSteps(device, session, 8, [
    ['reads by the lane', () => reads(registers, session)],
    ['a program', () => program(registers, session)],
    ['a lane of its own', () => ownLane(registers, session)],
    ['interrupts', () => interrupts(device, session)],
    ['DMA', () => dma(device, session)],
    ['mapped memory', () => memory(device, session)],
  ]);
};

/** Runs reads of COUNTER, which each carry out one count, and compares. */
async function counted(
  registers: Region,
  session: Session,
  what: string,
  work: (ledger: Ledger) => Promise<void>,
): Promise<void> {
  const before = await readSurely(registers, REG.COUNTER);
  const ledger = new Ledger(session.tally, `${what} of ${session.name}`);
  await work(ledger);
  // Each try is a read too. The one that succeeded tells the count.
  for (let tries = 0; tries < 10; tries++) {
    const answer = await registers.read32(REG.COUNTER).catch((error: unknown) => error);
    if (typeof answer !== 'number') ledger.failed(answer);
    else if (answer !== ALL_ONES) {
      ledger.succeeded();
      if (before !== ALL_ONES && !session.isVoid) ledger.check(answer - before);
      return;
    }
  }
}

function reads(registers: Region, session: Session): Promise<void> {
  return counted(registers, session, 'reads', async (ledger) => {
    const answers = await Promise.allSettled(
      Array.from({ length: session.random(1, MOST_READS) }, () => registers.read32(REG.COUNTER)),
    );
    for (const answer of answers) {
      if (answer.status === 'rejected') ledger.failed(answer.reason);
      else if (answer.value !== ALL_ONES) ledger.succeeded();
    }
  });
}

function program(registers: Region, session: Session): Promise<void> {
  return counted(registers, session, 'a program', async (ledger) => {
    const steps = session.random(1, MOST_STEPS);
    const counting = new Program(registers, steps + 1);
    const value = session.random(0, 0x7fff_ffff);
    counting.write32(REG.SCRATCH, value);
    const indexes = Array.from({ length: steps }, () => counting.read32(REG.COUNTER));
    try {
      await registers.run(counting);
      for (const index of indexes) if (counting.value(index) !== ALL_ONES) ledger.succeeded();
    } catch (error) {
      // Only the device knows at which step the program ended.
      ledger.uncertain(steps);
      if (!session.explains(error)) throw error;
    }
  });
}

/** Reads through a lane that this thread fills itself. */
function ownLane(registers: Region, session: Session): Promise<void> {
  return counted(registers, session, 'a lane of its own', async (ledger) => {
    const { pool } = session.shared;
    const descriptor = pool.createLane();
    try {
      const lane = new LaneProducer(descriptor);
      const region = pool.addRegion(descriptor, registers);
      const count = session.random(1, MOST_READS);
      for (let i = 0; i < count; i++) lane.pushRead(region, 4, REG.COUNTER);
      lane.publish();
      while (lane.pending > 0) {
        if (lane.answered === 0) await new Promise((resolve) => setTimeout(resolve, LANE_POLL_MS));
        while (lane.answered > 0) takeAnswer(lane, ledger);
      }
    } finally {
      await pool.closeLane(descriptor);
    }
  });
}

function takeAnswer(lane: LaneProducer, ledger: Ledger): void {
  const position = lane.take();
  const status = lane.slots.status(position);
  if (status !== 0) ledger.uncertain(1);
  else if (lane.slots.value32(position) !== ALL_ONES) ledger.succeeded();
}

/** Raises MSI-X interrupts by single writes, and counts the writes and the interrupts. */
async function interrupts(device: Device, session: Session): Promise<void> {
  const registers = device.region(BAR.REGISTERS);
  const msix = device.irq(VFIO_PCI_MSIX_IRQ_INDEX);
  const vector = session.random(0, msix.count - 1);
  const received = receiver(session);
  await msix.enable({ vectors: [vector], handler: received.handler });
  const before = await readSurely(registers, REG.MESSAGES);
  const ledger = new Ledger(session.tally, `interrupts raised by ${session.name}`);
  const writes = Array.from({ length: session.random(1, 40) }, () => registers.write32(REG.RAISE, vector));
  for (const answer of await Promise.allSettled(writes)) {
    if (answer.status === 'rejected') ledger.failed(answer.reason);
    else ledger.succeeded();
  }
  const raised = (await readSurely(registers, REG.MESSAGES)) - before;
  await msix.disable();
  if (session.isVoid) return;
  ledger.check(raised);
  checkInterrupts(session, received, raised);
}

/** Moves bytes from one buffer to another by the device's DMA. */
async function dma(device: Device, session: Session): Promise<void> {
  const length = session.random(1, 8) * PAGE;
  const seed = session.random(1, 255);
  const source = await device.dma.allocate(length);
  try {
    const target = await device.dma.allocate(length);
    try {
      source.bytes.forEach((_, index) => (source.bytes[index] = (index * 31 + seed) & 0xff));
      await transfer(device.region(BAR.REGISTERS), source.iova, target.iova, length);
      compare(session, source.bytes, target.bytes);
    } finally {
      await target.free();
    }
  } finally {
    await source.free();
  }
}

/** Has the device copy bytes, and waits until it has. */
async function transfer(registers: Region, source: bigint, target: bigint, length: number): Promise<void> {
  // A transfer of an earlier step, which was given up, ends first.
  while ((await readSurely(registers, REG.DMA_STATUS)) === DMA.BUSY);
  const ended = await readSurely(registers, REG.DMA_COUNT);
  await registers.write64(REG.DMA_SOURCE, source);
  await registers.write64(REG.DMA_TARGET, target);
  await registers.write32(REG.DMA_LENGTH, length);
  await registers.write32(REG.DMA_CONTROL, DMA.START);
  await registers.pollUntil(REG.DMA_COUNT, { width: 4, mask: ALL_ONES, value: (ended + 1) >>> 0 });
}

/** Compares the bytes that a transfer has moved. */
export function compare(session: Session, source: Uint8Array, target: Uint8Array): void {
  if (session.isVoid) return;
  let wrong = 0;
  for (let i = 0; i < source.length; i++) if (source[i] !== target[i]) wrong += 1;
  noteLost(session.tally, wrong, `bytes of a transfer of ${source.length} by ${session.name}`);
  session.tally.dmaBytes += source.length;
  session.tally.operations += 1;
}

/** Writes random words to the mapped BAR, and reads them by the worker, the accessor and the raw view. */
async function memory(device: Device, session: Session): Promise<void> {
  const { random, tally } = session;
  const region = device.region(BAR.MEMORY);
  const offset = 4 * random(0, 16_000);
  const values = Array.from({ length: 64 }, () => random(0, 0x7fff_ffff));
  await region.batch(values.map((value, index) => ({ write: offset + 4 * index, width: 4 as const, value })));
  const read = await region.batch(values.map((_, index) => ({ read: offset + 4 * index, width: 4 as const })));
  const single = region.accessor.read32(offset);
  tally.operations += 129;
  // An area that the kernel refused to map is trapped, and the plan injects faults into its accesses.
  if (session.isVoid || region.kind !== 'mapped') return;
  const wrong = values.filter((value, index) => value !== read[index]).length + Number(single !== values[0]);
  noteLost(tally, wrong, `words of mapped memory of ${session.name}`);
}
