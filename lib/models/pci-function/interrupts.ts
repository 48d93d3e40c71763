import type { IrqInfo, IrqSet } from '../../kernel/kernel.js';
import * as vfio from '../../uapi/vfio.js';
import type { OwnedResources } from '../../vfio-user/server/owned-resources.js';
import type { PciModel } from '../pci-model.js';
import type { EmulatedConfig } from './emulated-config.js';
import { applies, Intx } from './intx.js';
import { irqError, IrqSignal } from './irq-signal.js';
import { MessageIrq } from './message-irq.js';
import { MsixTable } from './msix-table.js';
import type { Timers } from './timers.js';

const DATA_MASK = vfio.VFIO_IRQ_SET_DATA_NONE | vfio.VFIO_IRQ_SET_DATA_BOOL | vfio.VFIO_IRQ_SET_DATA_EVENTFD;
const ACTION_MASK = vfio.VFIO_IRQ_SET_ACTION_MASK | vfio.VFIO_IRQ_SET_ACTION_UNMASK | vfio.VFIO_IRQ_SET_ACTION_TRIGGER;

/**
 * The interrupts of a function, with vfio-pci's behaviour: at most one of INTx, MSI and MSI-X is enabled at a time.
 * Source: drivers/vfio/pci/vfio_pci_intrs.c, vfio_main.c (6.12), behaviour
 */
export class Interrupts {
  readonly #intx: Intx;
  readonly #msi: MessageIrq;
  readonly #msix: MessageIrq;
  readonly #error: IrqSignal;
  readonly #request: IrqSignal;
  /** The MSI-X table, if the device has MSI-X. */
  readonly table: MsixTable | undefined;

  constructor(
    private readonly model: PciModel,
    private readonly config: EmulatedConfig,
    timers: Timers,
    private readonly owned: OwnedResources,
  ) {
    this.table = model.msix === undefined ? undefined : new MsixTable(model.msix);
    this.#intx = new Intx(config, timers, owned);
    this.#msi = new MessageIrq(model.msi?.vectors ?? 0, owned);
    this.#msix = new MessageIrq(model.msix?.vectors ?? 0, owned, {
      assigned: (vector) => this.table?.setMasked(vector, false),
      admit: (vector) => this.#admitMsix(vector),
    });
    this.#error = new IrqSignal(owned);
    this.#request = new IrqSignal(owned);
  }

  /** Whether MSI or MSI-X is enabled. */
  get messagesEnabled(): boolean {
    return this.#msi.enabled || this.#msix.enabled;
  }

  /** Sends a message. A message is a write on the bus, so it is lost while bus mastering is off. */
  raiseMessage(vector: number): void {
    if (!this.config.busMaster) return;
    this.#msix.raise(vector);
    if (this.config.msiEnabled) this.#msi.raise(vector);
  }

  /** Sets the level of INTx, if the device has INTx. */
  setLine(asserted: boolean): void {
    if (this.model.interruptPin !== undefined) this.#intx.setLevel(asserted);
  }

  /** Sends interrupts that were held back, after config space or the MSI-X table changed. */
  update(): void {
    this.#intx.update();
    if (!this.#msix.enabled || this.config.msixMasked) return;
    for (const vector of this.table?.deliverable() ?? []) {
      this.table?.clearPending(vector);
      this.#msix.deliver(vector);
    }
  }

  /** Clears the level and the pending bits, for a reset. The client's eventfds stay. */
  reset(): void {
    this.setLine(false);
    for (let vector = 0; vector < this.#msix.vectors; vector += 1) this.table?.clearPending(vector);
  }

  /** Closes all eventfds of the client. */
  disconnect(): void {
    this.#intx.disable();
    this.#msi.disable();
    this.#msix.disable();
    this.config.enableMsi(false);
    this.config.enableMsix(false);
    this.#error.close();
    this.#request.close();
  }

  /** Describes an interrupt index. An absent one has count 0, as libvfio-user has it. @throws EINVAL for an unknown index */
  getInfo(index: number): IrqInfo {
    const { VFIO_IRQ_INFO_EVENTFD: eventfd, VFIO_IRQ_INFO_NORESIZE: fixed } = vfio;
    switch (index) {
      case vfio.VFIO_PCI_INTX_IRQ_INDEX:
        return {
          index,
          flags: eventfd | vfio.VFIO_IRQ_INFO_MASKABLE | vfio.VFIO_IRQ_INFO_AUTOMASKED,
          count: this.#count(index),
        };
      case vfio.VFIO_PCI_MSIX_IRQ_INDEX:
        // With vectors, they can be changed while enabled: no NORESIZE. Source: vfio_pci_ioctl_get_irq_info
        return { index, flags: this.#count(index) > 0 ? eventfd : eventfd | fixed, count: this.#count(index) };
      case vfio.VFIO_PCI_ERR_IRQ_INDEX:
      case vfio.VFIO_PCI_MSI_IRQ_INDEX:
      case vfio.VFIO_PCI_REQ_IRQ_INDEX:
        return { index, flags: eventfd | fixed, count: this.#count(index) };
      default:
        throw irqError('EINVAL');
    }
  }

  /**
   * Performs DEVICE_SET_IRQS. Owns the eventfds of the set from now on; if the call fails, they are closed.
   * @throws EINVAL, ERANGE, and ENOTTY for an action that the index does not support
   */
  set(set: IrqSet): void {
    try {
      this.#check(set);
      this.#act(set);
    } catch (error) {
      for (const fd of set.eventfds ?? []) {
        if (fd >= 0 && this.owned.hasFd(fd)) this.owned.closeFd(fd);
      }
      throw error;
    }
  }

  #act(set: IrqSet): void {
    const action = set.flags & ACTION_MASK;
    if (set.index === vfio.VFIO_PCI_INTX_IRQ_INDEX && action === vfio.VFIO_IRQ_SET_ACTION_MASK) {
      return this.#intx.mask(set);
    }
    if (set.index === vfio.VFIO_PCI_INTX_IRQ_INDEX && action === vfio.VFIO_IRQ_SET_ACTION_UNMASK) {
      return this.#intx.unmask(set);
    }
    if (action !== vfio.VFIO_IRQ_SET_ACTION_TRIGGER) throw irqError('ENOTTY');
    this.#trigger(set);
  }

  #check(set: IrqSet): void {
    const data = set.flags & DATA_MASK;
    const known = (set.flags & ~(DATA_MASK | ACTION_MASK)) === 0;
    const oneDataType = data !== 0 && (data & (data - 1)) === 0;
    const count = this.#count(set.index);
    if (!known || !oneDataType || set.start >= count || set.start + set.count > count) throw irqError('EINVAL');
  }

  #trigger(set: IrqSet): void {
    switch (set.index) {
      case vfio.VFIO_PCI_INTX_IRQ_INDEX:
        return this.#triggerIntx(set);
      case vfio.VFIO_PCI_MSI_IRQ_INDEX:
        this.#checkAlone(this.#intx.enabled || this.#msix.enabled);
        return this.#triggerMsi(set);
      case vfio.VFIO_PCI_MSIX_IRQ_INDEX:
        this.#checkAlone(this.#intx.enabled || this.#msi.enabled);
        this.#triggerMsix(set);
        return this.update();
      case vfio.VFIO_PCI_ERR_IRQ_INDEX:
        return triggerSingle(this.#error, set);
      default:
        return triggerSingle(this.#request, set);
    }
  }

  #triggerMsi(set: IrqSet): void {
    const wasOn = this.#msi.enabled;
    this.#msi.trigger(set);
    if (wasOn !== this.#msi.enabled) this.config.enableMsi(this.#msi.enabled);
  }

  #triggerMsix(set: IrqSet): void {
    const wasOn = this.#msix.enabled;
    this.#msix.trigger(set);
    if (wasOn !== this.#msix.enabled) this.config.enableMsix(this.#msix.enabled);
  }

  #triggerIntx(set: IrqSet): void {
    const none = (set.flags & vfio.VFIO_IRQ_SET_DATA_NONE) !== 0;
    if (this.#intx.enabled && set.count === 0 && none) return this.#intx.disable();
    this.#checkAlone(this.messagesEnabled);
    if (set.start !== 0 || set.count !== 1) throw irqError('EINVAL');
    this.#intx.trigger(set);
  }

  #checkAlone(anotherEnabled: boolean): void {
    if (anotherEnabled) throw irqError('EINVAL');
  }

  #admitMsix(vector: number): boolean {
    if (!this.config.msixMasked && this.table?.isMasked(vector) !== true) return true;
    this.table?.setPending(vector);
    return false;
  }

  #count(index: number): number {
    switch (index) {
      case vfio.VFIO_PCI_INTX_IRQ_INDEX:
        return this.model.interruptPin === undefined ? 0 : 1;
      case vfio.VFIO_PCI_MSI_IRQ_INDEX:
        return this.#msi.vectors;
      case vfio.VFIO_PCI_MSIX_IRQ_INDEX:
        return this.#msix.vectors;
      case vfio.VFIO_PCI_ERR_IRQ_INDEX:
        return this.model.express === true ? 1 : 0;
      default:
        return index === vfio.VFIO_PCI_REQ_IRQ_INDEX ? 1 : 0;
    }
  }
}

/** Performs ACTION_TRIGGER of ERR or REQ, which have one eventfd. */
function triggerSingle(signal: IrqSignal, set: IrqSet): void {
  if ((set.flags & vfio.VFIO_IRQ_SET_DATA_EVENTFD) !== 0 && set.count === 1)
    return signal.assign(set.eventfds?.[0] ?? -1);
  if ((set.flags & vfio.VFIO_IRQ_SET_DATA_BOOL) !== 0 && set.count === 1) {
    if (applies(set)) signal.signal();
    return;
  }
  if ((set.flags & vfio.VFIO_IRQ_SET_DATA_NONE) === 0 || !signal.assigned) throw irqError('EINVAL');
  if (set.count === 0) signal.close();
  else signal.signal();
}
