import type { Device } from '../../device/device.js';
import type { BatchStep } from '../../region/batch.js';
import type { Region } from '../../region/region.js';
import { VFIO_PCI_MSI_IRQ_INDEX } from '../../uapi/vfio.js';
import { EDU_BUFFER, EDU_DMA, EDU_DMA_MASK, EDU_IDENT, EDU_IRQ, EDU_REG } from '../../models/edu/registers.js';
import { CountedInterrupts } from './interrupts.js';
import { BATCH, countAccesses, expectValue, keepBusy, offerAccesses, pump, scramble, type JobContext } from './pump.js';
import { fillPattern, verifyDma } from './pattern.js';
import type { Tally } from './report.js';

/** The number of interrupts raised between two DMA round trips. */
const RAISES = 8;

/**
 * Works an edu device until the time is over: its liveness register; DMA to its buffer and back, with every byte compared;
 * interrupts, of which it waits for each one.
 */
export async function runEdu(device: Device, context: JobContext): Promise<void> {
  const { tally } = context;
  const bar0 = device.region(0);
  offerAccesses(tally, bar0, EDU_REG.LIVENESS);
  tally.offered.add('DMA').add('interrupts');
  expectValue(tally, await bar0.read32(EDU_REG.IDENT), EDU_IDENT);
  const interrupts = await CountedInterrupts.open(device, VFIO_PCI_MSI_IRQ_INDEX, 1, tally);
  try {
    await Promise.all([
      keepBusy(context, (round) => checkLiveness(bar0, tally, round)),
      workDma(device, new EduDriver(bar0, interrupts, tally), context),
    ]);
  } finally {
    await interrupts.close();
  }
}

/** Writes numbers and reads their inverses. The operations of one device run in the order of the calls. */
async function checkLiveness(bar0: Region, tally: Tally, round: number): Promise<void> {
  const steps: BatchStep[] = [];
  for (let i = 0; i < BATCH; i++) {
    steps.push({ write: EDU_REG.LIVENESS, width: 4, value: scramble(round * BATCH + i) });
    steps.push({ read: EDU_REG.LIVENESS, width: 4 });
  }
  const answers = await bar0.batch(steps);
  for (let i = 0; i < BATCH; i++) expectValue(tally, answers[2 * i + 1], ~scramble(round * BATCH + i) >>> 0);
  countAccesses(tally, bar0, EDU_REG.LIVENESS, steps.length);
}

/** Moves a pattern to the device's buffer and back, then raises interrupts, again and again. */
async function workDma(device: Device, edu: EduDriver, context: JobContext): Promise<void> {
  const limit = EDU_DMA_MASK;
  const source = await device.dma.allocate(EDU_BUFFER.SIZE, { limit, access: 'read' });
  const target = await device.dma.allocate(EDU_BUFFER.SIZE, { limit, access: 'write' });
  await pump(context, async (round) => {
    fillPattern(source.bytes, round);
    target.bytes.fill(0);
    await edu.transfer(Number(source.iova), EDU_BUFFER.START, 0);
    await edu.transfer(EDU_BUFFER.START, Number(target.iova), EDU_DMA.TO_MEMORY);
    verifyDma(context.tally, source.bytes, target.bytes);
    for (let i = 0; i < RAISES; i++) await edu.raise(1 << (i % 8));
  });
  await Promise.all([source.free(), target.free()]);
}

/** Drives the DMA and the interrupts of an edu. */
class EduDriver {
  readonly #bar0: Region;
  readonly #interrupts: CountedInterrupts;
  readonly #tally: Tally;

  constructor(bar0: Region, interrupts: CountedInterrupts, tally: Tally) {
    this.#bar0 = bar0;
    this.#interrupts = interrupts;
    this.#tally = tally;
  }

  /** Moves as many bytes as the buffer has, and waits for the interrupt at the end. Addresses have 28 bits. */
  async transfer(source: number, destination: number, direction: number): Promise<void> {
    await this.#write(EDU_REG.DMA_SOURCE, source);
    await this.#write(EDU_REG.DMA_TARGET, destination);
    await this.#write(EDU_REG.DMA_COUNT, EDU_BUFFER.SIZE);
    await this.#interrupts.expect(0, () =>
      this.#write(EDU_REG.DMA_COMMAND, EDU_DMA.RUN | EDU_DMA.INTERRUPT | direction),
    );
    await this.#acknowledge(EDU_IRQ.DMA);
    this.#tally.dmaBytes += EDU_BUFFER.SIZE;
  }

  /** Makes the device raise an interrupt. @param status the bits of the interrupt status that it sets */
  async raise(status: number): Promise<void> {
    await this.#interrupts.expect(0, () => this.#write(EDU_REG.IRQ_RAISE, status));
    await this.#acknowledge(status);
  }

  async #acknowledge(expected: number): Promise<void> {
    expectValue(this.#tally, await this.#bar0.read32(EDU_REG.IRQ_STATUS), expected);
    await this.#write(EDU_REG.IRQ_ACK, expected);
    countAccesses(this.#tally, this.#bar0, EDU_REG.IRQ_STATUS, 1);
  }

  async #write(register: number, value: number): Promise<void> {
    await this.#bar0.write32(register, value);
    countAccesses(this.#tally, this.#bar0, register, 1);
  }
}
