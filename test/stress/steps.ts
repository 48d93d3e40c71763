import type { Device } from '../../lib/device/device.js';
import { BAR, REG } from '../../lib/models/testdev/layout.js';
import { VFIO_PCI_MSIX_IRQ_INDEX } from '../../lib/uapi/vfio.js';
import type { Random } from './random.js';
import type { Tally } from './tally.js';

/** The device that a step uses, and its random numbers and counts. */
interface StepContext {
  readonly device: Device;
  readonly random: Random;
  readonly tally: Tally;
}

/** Uses one part of a testdev and checks the result. */
export type Step = (context: StepContext) => Promise<void>;

const PAGE = 4096;

/** Writes random words to the mapped BAR, and reads them by the worker, the accessor and the raw view. */
const memory: Step = async ({ device, random, tally }) => {
  const region = device.region(BAR.MEMORY);
  const offset = 4 * random(0, 16_000);
  const values = Array.from({ length: 64 }, () => random(0, 0x7fffffff));
  await region.batch(values.map((value, index) => ({ write: offset + 4 * index, width: 4 as const, value })));
  const read = await region.batch(values.map((_, index) => ({ read: offset + 4 * index, width: 4 as const })));
  tally.operations += 128;
  expect(tally, 'mapped words', read, values);
  const [view] = region.areas;
  expect(tally, 'the accessor', region.accessor.read32(offset), values[0]);
  expect(tally, 'the view', new DataView(view!.view.buffer).getUint32(offset, true), values[0]);
};

/** Reads and writes trapped registers that have side effects. */
const registers: Step = async ({ device, random, tally }) => {
  const region = device.region(BAR.REGISTERS);
  const value = random(0, 0x7fffffff);
  await region.write32(REG.SCRATCH, value);
  expect(tally, 'the scratch register', await region.read32(REG.SCRATCH), value);
  const before = await region.read32(REG.COUNTER);
  expect(tally, 'a register that counts its reads', await region.read32(REG.COUNTER), before + 1);
  await region.write32(REG.STEP, random(1, 40));
  await region.pollUntil(REG.STEP, { width: 4, mask: 0xffffffff, value: 0 }, { timeoutMs: 20_000 });
  tally.operations += 6;
};

/** Moves bytes from one buffer to another by the device's DMA. */
const dma: Step = async ({ device, random, tally }) => {
  const region = device.region(BAR.REGISTERS);
  const pages = random(1, 8);
  const source = await device.dma.allocate(pages * PAGE);
  const target = await device.dma.allocate(pages * PAGE);
  try {
    source.bytes.forEach((_, index) => (source.bytes[index] = (index * 31 + pages) & 0xff));
    const ended = await region.read32(REG.DMA_COUNT);
    await region.write64(REG.DMA_SOURCE, source.iova);
    await region.write64(REG.DMA_TARGET, target.iova);
    await region.write32(REG.DMA_LENGTH, pages * PAGE);
    await region.write32(REG.DMA_CONTROL, 1);
    await region.pollUntil(
      REG.DMA_COUNT,
      { width: 4, mask: 0xffffffff, value: (ended + 1) >>> 0 },
      { timeoutMs: 20_000 },
    );
    if (!Buffer.from(source.bytes).equals(Buffer.from(target.bytes))) tally.violations.push('DMA moved other bytes');
    tally.dmaBytes += pages * PAGE;
    tally.operations += 6;
  } finally {
    await source.free();
    await target.free();
  }
};

/** Raises MSI-X interrupts, and counts each one once. */
const interrupts: Step = async ({ device, random, tally }) => {
  const msix = device.irq(VFIO_PCI_MSIX_IRQ_INDEX);
  const vector = random(0, msix.count - 1);
  const count = random(1, 200);
  await msix.enable({ vectors: [vector] });
  await device.region(BAR.REGISTERS).write32(REG.BURST, ((vector << 16) | count) >>> 0);
  let received = 0;
  while (received < count) received += await msix.next(vector, { timeoutMs: 20_000 });
  expect(tally, 'interrupts', received, count);
  await msix.disable();
  tally.interrupts += received;
};

/** Copies blocks between the mapped BAR and shared memory. */
const blocks: Step = async ({ device, random, tally }) => {
  const region = device.region(BAR.MEMORY);
  const length = 64 * random(1, 64);
  const from = new SharedArrayBuffer(length);
  const bytes = new Uint8Array(from);
  bytes.forEach((_, index) => (bytes[index] = random(0, 255) ^ (index & 0xff)));
  const back = new SharedArrayBuffer(length);
  const width = ([1, 2, 4, 8] as const)[random(0, 3)] ?? 4;
  await region.copyFromBuffer(32768, length, from, 0, width);
  await region.copyToBuffer(32768, length, back, 0, width);
  if (!Buffer.from(from).equals(Buffer.from(back))) tally.violations.push(`a block of ${length} came back changed`);
  tally.operations += 2;
};

export const steps: readonly Step[] = [memory, registers, dma, interrupts, blocks];

function expect(tally: Tally, what: string, actual: unknown, expected: unknown): void {
  if (JSON.stringify(actual) !== JSON.stringify(expected)) {
    tally.violations.push(`${what}: ${JSON.stringify(actual)} where ${JSON.stringify(expected)} was written`);
  }
}
