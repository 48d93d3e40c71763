import type { Device } from '../../device/device.js';
import type { BatchStep } from '../../region/batch.js';
import type { Region } from '../../region/region.js';
import { VFIO_PCI_MSIX_IRQ_INDEX } from '../../uapi/vfio.js';
import { BAR, IDENT, REG, SIZE } from '../../models/testdev/layout.js';
import { CountedInterrupts } from './interrupts.js';
import { fillPattern, wrongBytes } from './pattern.js';
import { BATCH, countAccesses, expectValue, offerAccesses, pump, scramble, type JobContext } from './pump.js';
import type { Tally } from './report.js';

/** The number of MSI-X vectors that are enabled and raised in turn. */
const RAISED_VECTORS = 4;
/** The size of the start of the memory, which single accesses use. Block copies use the rest. */
const SINGLES = SIZE.MEMORY / 4;
/** The number of copiers: the worker runs the copies of one while this thread compares the bytes of the other. */
const COPIERS = 2;
/** Round trips for each comparison: comparing costs this thread more time than a copy costs the worker. */
const ROUND_TRIPS = 32;

/**
 * Works a testdev until the time is over: mapped memory by single accesses and by block copies, which keep the I/O worker
 * busy; a trapped register; MSI-X interrupts, of which it waits for each one.
 */
export async function runTestdev(device: Device, context: JobContext): Promise<void> {
  const { tally } = context;
  const [memory, registers] = [device.region(BAR.MEMORY), device.region(BAR.REGISTERS)];
  offerAccesses(tally, memory, 0);
  offerAccesses(tally, registers, REG.SCRATCH);
  tally.offered.add('interrupts');
  expectValue(tally, await registers.read32(REG.IDENT), IDENT);
  const interrupts = await CountedInterrupts.open(device, VFIO_PCI_MSIX_IRQ_INDEX, RAISED_VECTORS, tally);
  try {
    await Promise.all([
      pump(context, (round) => workMemory(memory, tally, round)),
      ...Array.from({ length: COPIERS }, (_, copier) => copyBlocks(memory, copier, context)),
      pump(context, (round) => workScratch(registers, tally, round)),
      pump(context, (round) => raiseMessage(registers, interrupts, tally, round % RAISED_VECTORS)),
    ]);
  } finally {
    await interrupts.close();
  }
}

/** Writes words to the start of the memory, reads them back, and compares each. */
async function workMemory(memory: Region, tally: Tally, round: number): Promise<void> {
  const steps: BatchStep[] = [];
  for (let i = 0; i < BATCH; i++) {
    const offset = ((round * BATCH + i) * 4) % SINGLES;
    steps.push({ write: offset, width: 4, value: scramble(round * BATCH + i) });
    steps.push({ read: offset, width: 4 });
  }
  const values = await memory.batch(steps);
  for (let i = 0; i < BATCH; i++) expectValue(tally, values[2 * i + 1], scramble(round * BATCH + i));
  countAccesses(tally, memory, 0, steps.length);
}

/** Copies a pattern to a part of the memory and back several times, and compares. Copies bytes, to keep the worker busy. */
async function copyBlocks(memory: Region, copier: number, context: JobContext): Promise<void> {
  const length = (SIZE.MEMORY - SINGLES) / COPIERS;
  const start = SINGLES + copier * length;
  const [source, target] = [new SharedArrayBuffer(length), new SharedArrayBuffer(length)];
  await pump(context, async (round) => {
    fillPattern(new Uint8Array(source), round);
    new Uint8Array(target).fill(0);
    const copies: Promise<void>[] = [];
    for (let trip = 0; trip < ROUND_TRIPS; trip++) {
      copies.push(memory.copyFromBuffer(start, length, source, 0, 1));
      copies.push(memory.copyToBuffer(start, length, target, 0, 1));
    }
    await Promise.all(copies);
    context.tally.errors += wrongBytes(new Uint8Array(source), new Uint8Array(target));
    countAccesses(context.tally, memory, start, copies.length);
  });
}

async function workScratch(registers: Region, tally: Tally, round: number): Promise<void> {
  await registers.write32(REG.SCRATCH, scramble(round));
  expectValue(tally, await registers.read32(REG.SCRATCH), scramble(round));
  countAccesses(tally, registers, REG.SCRATCH, 2);
}

async function raiseMessage(
  registers: Region,
  interrupts: CountedInterrupts,
  tally: Tally,
  vector: number,
): Promise<void> {
  await interrupts.expect(vector, () => registers.write32(REG.RAISE, vector));
  countAccesses(tally, registers, REG.RAISE, 1);
}
