import { DeviceIrq } from '../irq/device-irq.js';
import type { IrqInfo } from '../kernel/kernel.js';
import { throwFirst } from '../base/unwinding.js';
import type { OpenDevice } from '../kernel/liveness.js';

/** The interrupts of a device, each made when it is asked for first. Thread: the one that attached the device. */
export class DeviceIrqs {
  readonly #device: OpenDevice;
  readonly #made: (DeviceIrq | undefined)[] = [];

  /** @param infos what the kernel tells of each, by index */
  constructor(
    device: OpenDevice,
    readonly infos: readonly (IrqInfo | undefined)[],
  ) {
    this.#device = device;
  }

  /** Gives one; undefined for an index that the device lacks. */
  at(index: number): DeviceIrq | undefined {
    const made = this.#made[index];
    if (made !== undefined || !(index in this.infos)) return made;
    const irq = new DeviceIrq(this.#device, this.infos[index] ?? { index, flags: 0, count: 0 });
    this.#made[index] = irq;
    return irq;
  }

  /** Gives all, by index. */
  all(): DeviceIrq[] {
    return this.infos.map((_, index) => this.at(index) as DeviceIrq);
  }

  /** Ends all that is delivered here; the device is about to be closed, which turns it off in the kernel. */
  drop(): void {
    const errors: unknown[] = [];
    for (const irq of this.#made) {
      try {
        irq?.drop();
      } catch (error) {
        errors.push(error);
      }
    }
    throwFirst(errors);
  }
}
