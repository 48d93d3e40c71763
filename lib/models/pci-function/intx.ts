import type { IrqSet } from '../../kernel/kernel.js';
import { VFIO_IRQ_SET_DATA_BOOL, VFIO_IRQ_SET_DATA_EVENTFD, VFIO_IRQ_SET_DATA_NONE } from '../../uapi/vfio.js';
import type { OwnedResources } from '../../vfio-user/server/owned-resources.js';
import { irqError, IrqSignal } from './irq-signal.js';
import type { Timers } from './timers.js';

/** How often the eventfd that unmasks is looked at while INTx is masked: the server's thread sleeps on its socket. */
const UNMASK_POLL_MS = 1;

/** What INTx looks at in config space, and shows there. */
export interface IntxConfig {
  readonly interruptDisabled: boolean;
  set interruptStatus(asserted: boolean);
}

/**
 * INTx as vfio-pci gives it: a level that masks itself when it is signalled, and is signalled again when it is unmasked
 * while still asserted. Source: drivers/vfio/pci/vfio_pci_intrs.c (6.12), behaviour
 */
export class Intx {
  readonly #trigger: IrqSignal;
  readonly #unmask: IrqSignal;
  #enabled = false;
  #masked = false;
  #asserted = false;
  #stopPolling: (() => void) | undefined;

  constructor(
    private readonly config: IntxConfig,
    private readonly timers: Timers,
    owned: OwnedResources,
  ) {
    this.#trigger = new IrqSignal(owned);
    this.#unmask = new IrqSignal(owned);
  }

  get enabled(): boolean {
    return this.#enabled;
  }

  /** Sets the level that the model drives. */
  setLevel(asserted: boolean): void {
    this.#asserted = asserted;
    this.config.interruptStatus = asserted;
    this.update();
  }

  /** Signals if there is something to: after each change of level, mask or disable bit. */
  update(): void {
    if (!this.#enabled || this.#masked || !this.#asserted || this.config.interruptDisabled) return;
    this.#mask();
    this.#trigger.signal();
  }

  /** ACTION_TRIGGER; the caller has checked the range and that no other kind of interrupt is on. */
  trigger(set: IrqSet): void {
    if ((set.flags & VFIO_IRQ_SET_DATA_EVENTFD) !== 0) {
      this.#trigger.assign(set.eventfds?.[0] ?? -1);
      this.#enabled = true;
      return this.update();
    }
    if (!this.#enabled) throw irqError('EINVAL');
    if (applies(set)) this.#trigger.signal();
  }

  /** ACTION_MASK */
  mask(set: IrqSet): void {
    this.#checkEnabled(set);
    if ((set.flags & VFIO_IRQ_SET_DATA_EVENTFD) !== 0) throw irqError('ENOTTY');
    if (applies(set)) this.#mask();
  }

  /** ACTION_UNMASK; with an eventfd, each count of it unmasks. */
  unmask(set: IrqSet): void {
    this.#checkEnabled(set);
    if ((set.flags & VFIO_IRQ_SET_DATA_EVENTFD) !== 0) {
      this.#unmask.assign(set.eventfds?.[0] ?? -1);
      return this.#poll();
    }
    if (applies(set)) this.#release();
  }

  disable(): void {
    this.#enabled = false;
    this.#masked = false;
    this.#stopPolling?.();
    this.#trigger.close();
    this.#unmask.close();
  }

  #checkEnabled(set: IrqSet): void {
    if (!this.#enabled || set.start !== 0 || set.count !== 1) throw irqError('EINVAL');
  }

  #mask(): void {
    this.#masked = true;
    this.#poll();
  }

  #release(): void {
    this.#masked = false;
    this.update();
  }

  /** Waits for the client's eventfd while there is one and INTx is masked. */
  #poll(): void {
    this.#stopPolling?.();
    if (!this.#unmask.assigned || !this.#masked) return;
    this.#stopPolling = this.timers.schedule(UNMASK_POLL_MS, () => {
      if (this.#unmask.take() > 0) this.#release();
      else this.#poll();
    });
  }
}

/** DATA_NONE always applies, DATA_BOOL where its byte says so. */
export function applies(set: IrqSet, i = 0): boolean {
  if ((set.flags & VFIO_IRQ_SET_DATA_NONE) !== 0) return true;
  return (set.flags & VFIO_IRQ_SET_DATA_BOOL) !== 0 && set.bools?.[i] === 1;
}
