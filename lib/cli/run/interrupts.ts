import type { Device } from '../../device/device.js';
import type { DeviceIrq } from '../../irq/device-irq.js';
import type { Tally } from './report.js';

/** An interrupt that has not arrived after this time is lost. */
const TIMEOUT_MS = 5_000;

/** Interrupt vectors of which the raised and the received interrupts are counted. */
export class CountedInterrupts {
  readonly #irq: DeviceIrq;
  readonly #tally: Tally;

  private constructor(irq: DeviceIrq, tally: Tally) {
    this.#irq = irq;
    this.#tally = tally;
  }

  /** Enables the first vectors of an interrupt index. */
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

  /** Raises an interrupt, counts it and waits for it. @throws ERR_TIMEOUT if it does not arrive */
  async expect(vector: number, raise: () => Promise<void>): Promise<void> {
    this.#tally.interruptsRaised++;
    await raise();
    await this.#irq.next(vector, { timeoutMs: TIMEOUT_MS });
  }

  close(): Promise<void> {
    return this.#irq.disable();
  }
}
