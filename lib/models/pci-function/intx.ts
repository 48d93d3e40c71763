import type { IrqSet } from '../../kernel/kernel.js';
import { VFIO_IRQ_SET_DATA_BOOL, VFIO_IRQ_SET_DATA_EVENTFD, VFIO_IRQ_SET_DATA_NONE } from '../../uapi/vfio.js';
import type { OwnedResources } from '../../vfio-user/server/owned-resources.js';
import { irqError, IrqSignal } from './irq-signal.js';
import type { Timers } from './timers.js';

/** The interval at which the unmask eventfd is read while INTx is masked: the server's thread waits for its socket. */
const UNMASK_POLL_MS = 1;

/** The bits of config space that INTx reads and sets. */
export interface IntxConfig {
  /** The disable bit of the command register. */
  readonly interruptDisabled: boolean;
  /** The interrupt bit of the status register. */
  set interruptStatus(asserted: boolean);
}

/**
 * INTx as vfio-pci handles it: a level that is masked when it is signalled, and signalled again if it is still asserted
 * when the client unmasks it. Source: drivers/vfio/pci/vfio_pci_intrs.c (6.12), behaviour
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

  /** Whether the client enabled it. */
  get enabled(): boolean {
    return this.#enabled;
  }

  /** Sets the level that the model drives. */
  setLevel(asserted: boolean): void {
    this.#asserted = asserted;
    this.config.interruptStatus = asserted;
    this.update();
  }

  /** Signals if the level is asserted and not masked. Called after each change of level, mask or disable bit. */
  update(): void {
    if (!this.#enabled || this.#masked || !this.#asserted || this.config.interruptDisabled) return;
    this.#mask();
    this.#trigger.signal();
  }

  /** Performs ACTION_TRIGGER. The caller has checked the range, and that no other interrupt type is enabled. */
  trigger(set: IrqSet): void {
    if ((set.flags & VFIO_IRQ_SET_DATA_EVENTFD) !== 0) {
      this.#trigger.assign(set.eventfds?.[0] ?? -1);
      this.#enabled = true;
      return this.update();
    }
    if (!this.#enabled) throw irqError('EINVAL');
    if (applies(set)) this.#trigger.signal();
  }

  /** Performs ACTION_MASK. @throws EINVAL if INTx is not enabled, ENOTTY for an eventfd */
  mask(set: IrqSet): void {
    this.#checkEnabled(set);
    if ((set.flags & VFIO_IRQ_SET_DATA_EVENTFD) !== 0) throw irqError('ENOTTY');
    if (applies(set)) this.#mask();
  }

  /** Performs ACTION_UNMASK. With an eventfd, each write to the eventfd unmasks. @throws EINVAL if INTx is not enabled */
  unmask(set: IrqSet): void {
    this.#checkEnabled(set);
    if ((set.flags & VFIO_IRQ_SET_DATA_EVENTFD) !== 0) {
      this.#unmask.assign(set.eventfds?.[0] ?? -1);
      return this.#poll();
    }
    if (applies(set)) this.#release();
  }

  /** Disables INTx and closes its eventfds. */
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

  /** Reads the unmask eventfd at intervals while there is one and INTx is masked. */
  #poll(): void {
    this.#stopPolling?.();
    if (!this.#unmask.assigned || !this.#masked) return;
    this.#stopPolling = this.timers.schedule(UNMASK_POLL_MS, () => {
      if (this.#unmask.take() > 0) this.#release();
      else this.#poll();
    });
  }
}

/** Tells whether element `i` of a set is selected: always with DATA_NONE, if its byte is not 0 with DATA_BOOL. */
export function applies(set: IrqSet, i = 0): boolean {
  if ((set.flags & VFIO_IRQ_SET_DATA_NONE) !== 0) return true;
  return (set.flags & VFIO_IRQ_SET_DATA_BOOL) !== 0 && (set.bools?.[i] ?? 0) !== 0;
}
