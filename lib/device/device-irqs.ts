import { DeviceIrq } from '../irq/device-irq.js';
import type { IrqInfo } from '../kernel/kernel.js';
import { throwFirst } from '../base/unwinding.js';
import type { OpenDevice } from '../kernel/liveness.js';

/** The interrupts of a device. Each `DeviceIrq` is created on first use. Thread: the one that attached the device. */
export class DeviceIrqs {
  readonly #device: OpenDevice;
  readonly #created: (DeviceIrq | undefined)[] = [];

  /** @param infos the kernel's answers by index; undefined for an index that the device does not have */
  constructor(
    device: OpenDevice,
    readonly infos: readonly (IrqInfo | undefined)[],
  ) {
    this.#device = device;
  }

  /** Returns an interrupt; undefined for an index beyond those of the device. */
  at(index: number): DeviceIrq | undefined {
    const created = this.#created[index];
    if (created !== undefined || !(index in this.infos)) return created;
    const irq = DeviceIrq.create(this.#device, this.infos[index] ?? { index, flags: 0, count: 0 });
    this.#created[index] = irq;
    return irq;
  }

  /** Returns all interrupts by index. */
  all(): DeviceIrq[] {
    return this.infos.map((_, index) => this.at(index) as DeviceIrq);
  }

  /** Ends all delivery in this process. The device is being closed, which turns the interrupts off in the kernel. */
  drop(): void {
    const errors: unknown[] = [];
    for (const irq of this.#created) {
      try {
        irq?.drop();
      } catch (error) {
        errors.push(error);
      }
    }
    throwFirst(errors);
  }
}
