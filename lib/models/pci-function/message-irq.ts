import type { IrqSet } from '../../kernel/kernel.js';
import { VFIO_IRQ_SET_DATA_EVENTFD, VFIO_IRQ_SET_DATA_NONE } from '../../uapi/vfio.js';
import type { OwnedResources } from '../../vfio-user/server/owned-resources.js';
import { applies } from './intx.js';
import { irqError, IrqSignal } from './irq-signal.js';

/** What a kind of message does beside signalling: MSI-X has masks, MSI has not. */
export interface MessageHooks {
  /** A vector got an eventfd. */
  assigned?(vector: number): void;
  /** Tells whether a message may go out now; it keeps the message when it may not. */
  admit?(vector: number): boolean;
}

/** MSI or MSI-X: on while the client has set vectors up. Source: drivers/vfio/pci/vfio_pci_intrs.c (6.12), behaviour */
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

  get enabled(): boolean {
    return this.#enabled;
  }

  /** Sends a message; one of a vector without an eventfd is lost. */
  raise(vector: number): void {
    if (this.#enabled && (this.hooks.admit?.(vector) ?? true)) this.deliver(vector);
  }

  /** Sends a message that was admitted before. */
  deliver(vector: number): void {
    this.#signals[vector]?.signal();
  }

  /**
   * ACTION_TRIGGER; the caller has checked the range and that no other kind is on. Vectors can be added while others are
   * on, MSI's too: QEMU sets them up one a message.
   */
  trigger(set: IrqSet): void {
    if ((set.flags & VFIO_IRQ_SET_DATA_EVENTFD) !== 0) return this.#assign(set);
    if (!this.#enabled) throw irqError('EINVAL');
    if (set.count === 0 && (set.flags & VFIO_IRQ_SET_DATA_NONE) !== 0) return this.disable();
    for (let i = 0; i < set.count; i += 1) {
      if (applies(set, i)) this.#signals[set.start + i]?.signal();
    }
  }

  disable(): void {
    this.#enabled = false;
    for (const signal of this.#signals) signal.close();
  }

  /** When one of the descriptors is none of an eventfd, the whole range ends without one. */
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
