import type { IrqSet } from '../../kernel/kernel.js';
import { VFIO_IRQ_SET_DATA_EVENTFD, VFIO_IRQ_SET_DATA_NONE } from '../../uapi/vfio.js';
import type { OwnedResources } from '../../vfio-user/server/owned-resources.js';
import { applies } from './intx.js';
import { irqError, IrqSignal } from './irq-signal.js';

/** The differences between MSI-X, which has masks, and MSI, which has none. */
export interface MessageHooks {
  /** Called after a vector got an eventfd. */
  assigned?(vector: number): void;
  /** Tells whether a message may be sent now. If not, keeps it as pending. */
  admit?(vector: number): boolean;
}

/** MSI or MSI-X. Enabled while the client has set up vectors. Source: drivers/vfio/pci/vfio_pci_intrs.c (6.12), behaviour */
export class MessageIrq {
  readonly #signals: IrqSignal[];
  #enabled = false;

  constructor(
    readonly vectors: number,
    owned: OwnedResources,
    private readonly hooks: MessageHooks = {},
  ) {
    this.#signals = Array.from({ length: vectors }, () => new IrqSignal(owned));
  }

  /** Whether the client enabled it. */
  get enabled(): boolean {
    return this.#enabled;
  }

  /** Sends a message. If the vector has no eventfd, the message is lost. */
  raise(vector: number): void {
    if (this.#enabled && (this.hooks.admit?.(vector) ?? true)) this.deliver(vector);
  }

  /** Sends a message without asking `admit`. */
  deliver(vector: number): void {
    this.#signals[vector]?.signal();
  }

  /**
   * Performs ACTION_TRIGGER. The caller has checked the range, and that no other interrupt type is enabled. Vectors can
   * be added while others are enabled, for MSI too: QEMU sets up one vector a message.
   */
  trigger(set: IrqSet): void {
    if ((set.flags & VFIO_IRQ_SET_DATA_EVENTFD) !== 0) return this.#assign(set);
    if (!this.#enabled) throw irqError('EINVAL');
    if (set.count === 0 && (set.flags & VFIO_IRQ_SET_DATA_NONE) !== 0) return this.disable();
    for (let i = 0; i < set.count; i += 1) {
      if (applies(set, i)) this.#signals[set.start + i]?.signal();
    }
  }

  /** Closes all eventfds. */
  disable(): void {
    this.#enabled = false;
    for (const signal of this.#signals) signal.close();
  }

  /** Sets the eventfds of a range. If one descriptor is not an eventfd, no vector of the range keeps one. */
  #assign(set: IrqSet): void {
    if (set.count === 0 && !this.#enabled) throw irqError('ERANGE');
    try {
      for (let i = 0; i < set.count; i += 1) {
        const fd = set.eventfds?.[i] ?? -1;
        this.#signals[set.start + i]?.assign(fd);
        if (fd >= 0) this.hooks.assigned?.(set.start + i);
      }
      this.#enabled = true;
    } catch (error) {
      for (let i = 0; i < set.count; i += 1) this.#signals[set.start + i]?.close();
      throw error;
    }
  }
}
