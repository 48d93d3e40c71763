import type { Device } from '../../device/device.js';
import type { DeviceIrq } from '../../irq/device-irq.js';
import type { Tally } from './report.js';

/** An interrupt that has not come by then is lost. */
const TIMEOUT_MS = 5_000;

/** Vectors whose interrupts are counted as they are raised and as they come. */
export class CountedInterrupts {
  readonly #irq: DeviceIrq;
  readonly #tally: Tally;

  private constructor(irq: DeviceIrq, tally: Tally) {
    this.#irq = irq;
    this.#tally = tally;
  }

  /** Turns the first vectors of an interrupt index on. */
  static async open(device: Device, irqIndex: number, vectors: number, tally: Tally): Promise<CountedInterrupts> {
    const irq = device.irq(irqIndex);
    await irq.enable({
      vectors,
      handler: (_vector, count) => {
        tally.interruptsReceived += count;
      },
    });
    return new CountedInterrupts(irq, tally);
  }

  /** Counts one as raised, has it raised and waits for it. @throws ERR_TIMEOUT when it does not come */
  async expect(vector: number, raise: () => Promise<void>): Promise<void> {
    this.#tally.interruptsRaised++;
    await raise();
    await this.#irq.next(vector, { timeoutMs: TIMEOUT_MS });
  }

  close(): Promise<void> {
    return this.#irq.disable();
  }
}
