import { VFIO_IRQ_INFO_MINSZ, VFIO_IRQ_SET_MINSZ } from '../../uapi/vfio-sizes.js';
import {
  VFIO_IRQ_INFO_EVENTFD,
  VFIO_IRQ_INFO_NORESIZE,
  VFIO_IRQ_SET_ACTION_MASK,
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_ACTION_UNMASK,
  VFIO_IRQ_SET_DATA_BOOL,
  VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_IRQ_SET_DATA_NONE,
  VFIO_PCI_ERR_IRQ_INDEX,
  VFIO_PCI_INTX_IRQ_INDEX,
  VFIO_PCI_NUM_IRQS,
  VFIO_PCI_REQ_IRQ_INDEX,
} from '../../uapi/vfio.js';
import type { Fd, IrqInfo, IrqSet } from '../../kernel/kernel.js';
import type { RunningDevice } from './running-device.js';
import { IrqEvents } from './irq-events.js';
import type { OpenFunction } from './open-function.js';
import { Mutex } from '../../base/mutex.js';
import { failWith } from '../base/errno-failure.js';

const U32_MAX = 0xffffffff;
const DATA_TYPES = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_DATA_EVENTFD;
const ACTIONS = VFIO_IRQ_SET_ACTION_MASK | VFIO_IRQ_SET_ACTION_UNMASK | VFIO_IRQ_SET_ACTION_TRIGGER;

/**
 * The interrupts of an open device: the enabled index, the eventfd of each vector, and the checks that
 * VFIO_DEVICE_SET_IRQS makes before the device gets the call. Source: drivers/vfio/pci/vfio_pci_intrs.c
 */
export class VfioPciIrqs {
  /** Held while interrupts change. Source: struct vfio_pci_core_device, igate */
  readonly #lock = new Mutex();
  readonly #events = new Map<number, IrqEvents>();
  #device: RunningDevice | null = null;
  #function: OpenFunction | null = null;
  /** The enabled index: INTx, MSI or MSI-X. At most one is enabled. */
  #active: number | null = null;

  /** Begins the use of a device that a user opened. */
  start(device: RunningDevice, opened: OpenFunction): void {
    this.#device = device;
    this.#function = opened;
  }

  /** Disables all interrupts. The user closed the device. */
  async stop(): Promise<void> {
    await this.#lock.run(async () => {
      try {
        if (this.#active !== null) await this.#disable(this.#active);
      } finally {
        for (const events of this.#events.values()) events.clear();
        this.#device = null;
      }
    });
  }

  /** Signals the REQ eventfd, which asks the user to close the device. Does nothing if the user set none. */
  signalRequest(): void {
    this.#eventsOf(VFIO_PCI_REQ_IRQ_INDEX).signal(0);
  }

  /** Answers VFIO_DEVICE_GET_IRQ_INFO. @throws EINVAL */
  getInfo(irqIndex: number, argsz: number | undefined): IrqInfo {
    if (argsz !== undefined && argsz < VFIO_IRQ_INFO_MINSZ) failWith('EINVAL');
    if (irqIndex === VFIO_PCI_REQ_IRQ_INDEX) {
      return { index: irqIndex, flags: VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE, count: 1 };
    }
    const info = this.#running.irqs[irqIndex];
    if (info === undefined || irqIndex >= VFIO_PCI_NUM_IRQS) failWith('EINVAL');
    if (irqIndex === VFIO_PCI_ERR_IRQ_INDEX && info.count === 0) failWith('EINVAL');
    return info;
  }

  /** Performs VFIO_DEVICE_SET_IRQS. @throws EINVAL, ENOTTY, ERANGE, EBADF, and the device's errno */
  async set(set: IrqSet): Promise<void> {
    this.#validate(set);
    await this.#lock.run(() => {
      const { index } = set;
      const action = set.flags & ACTIONS;
      if (index === VFIO_PCI_REQ_IRQ_INDEX || index === VFIO_PCI_ERR_IRQ_INDEX) return this.#setSingle(set, action);
      if (index === VFIO_PCI_INTX_IRQ_INDEX) return this.#setIntx(set, action);
      if (action !== VFIO_IRQ_SET_ACTION_TRIGGER) failWith('ENOTTY');
      return this.#setMessages(set);
    });
  }

  get #running(): RunningDevice {
    return this.#device ?? failWith('ENODEV');
  }

  #eventsOf(index: number): IrqEvents {
    const events = this.#events.get(index) ?? new IrqEvents();
    this.#events.set(index, events);
    return events;
  }

  #countOf(index: number): number {
    if (index === VFIO_PCI_REQ_IRQ_INDEX) return 1;
    return this.#running.irqs[index]?.count ?? 0;
  }

  /** Source: vfio_set_irqs_validate_and_prepare */
  #validate(set: IrqSet): void {
    const argsz = set.argsz ?? VFIO_IRQ_SET_MINSZ + dataGiven(set);
    if (argsz < VFIO_IRQ_SET_MINSZ || set.index >= VFIO_PCI_NUM_IRQS || set.count >= U32_MAX - set.start)
      failWith('EINVAL');
    if ((set.flags & ~(DATA_TYPES | ACTIONS)) !== 0) failWith('EINVAL');
    const available = this.#countOf(set.index);
    if (set.start >= available || set.start + set.count > available) failWith('EINVAL');
    const dataType = set.flags & DATA_TYPES;
    if (dataType === 0 || (dataType & (dataType - 1)) !== 0) failWith('EINVAL');
    if (argsz - VFIO_IRQ_SET_MINSZ < dataSize(set, set.count)) failWith('EINVAL');
  }

  /** REQ and ERR: one eventfd, which the driver itself signals. */
  #setSingle(set: IrqSet, action: number): void {
    if (action !== VFIO_IRQ_SET_ACTION_TRIGGER) failWith('ENOTTY');
    const events = this.#eventsOf(set.index);
    if ((set.flags & VFIO_IRQ_SET_DATA_NONE) !== 0) {
      if (!events.has(0)) failWith('EINVAL');
      if (set.count > 0) events.signal(0);
      else events.clear();
      return;
    }
    if (set.count === 0) failWith('EINVAL');
    if ((set.flags & VFIO_IRQ_SET_DATA_BOOL) !== 0) {
      if (set.bools?.[0] !== 0) events.signal(0);
      return;
    }
    const fd = set.eventfds?.[0] ?? -1;
    if (fd < -1) failWith('EINVAL');
    events.replace(0, fd);
  }

  async #setIntx(set: IrqSet, action: number): Promise<void> {
    const on = this.#active === VFIO_PCI_INTX_IRQ_INDEX;
    if (action !== VFIO_IRQ_SET_ACTION_TRIGGER) {
      if (action !== VFIO_IRQ_SET_ACTION_MASK && action !== VFIO_IRQ_SET_ACTION_UNMASK) failWith('ENOTTY');
      if (!on || set.start !== 0 || set.count !== 1) failWith('EINVAL');
      if (action === VFIO_IRQ_SET_ACTION_MASK && (set.flags & VFIO_IRQ_SET_DATA_EVENTFD) !== 0) failWith('ENOTTY');
      return this.#running.setIrqs(set);
    }
    if (on && set.count === 0 && (set.flags & VFIO_IRQ_SET_DATA_NONE) !== 0) return this.#disable(set.index);
    if ((this.#active !== null && !on) || set.start !== 0 || set.count !== 1) failWith('EINVAL');
    if ((set.flags & VFIO_IRQ_SET_DATA_EVENTFD) !== 0) return this.#assign(set);
    if (!on) failWith('EINVAL');
    // Source: vfio_send_intx_eventfd
    if (this.#function?.intxDisabled !== true) this.#loopBack(set);
  }

  /** MSI and MSI-X. */
  async #setMessages(set: IrqSet): Promise<void> {
    const on = this.#active === set.index;
    if (on && set.count === 0 && (set.flags & VFIO_IRQ_SET_DATA_NONE) !== 0) return this.#disable(set.index);
    if (this.#active !== null && !on) failWith('EINVAL');
    if ((set.flags & VFIO_IRQ_SET_DATA_EVENTFD) === 0) {
      if (!on) failWith('EINVAL');
      return this.#loopBack(set);
    }
    // The kernel allocates vectors up to the highest one. An allocation of 0 vectors fails with ERANGE.
    if (!on && set.start + set.count === 0) failWith('ERANGE');
    if (set.count > 0) await this.#assign(set);
  }

  /** Sets the eventfds of vectors. If one of them is not an eventfd, all vectors of the call lose theirs. */
  async #assign(set: IrqSet): Promise<void> {
    const events = this.#eventsOf(set.index);
    const fds = set.eventfds ?? [];
    try {
      fds.slice(0, set.count).forEach((fd, index) => events.replace(set.start + index, fd));
    } catch (error) {
      await this.#undoAssign(set);
      throw error;
    }
    await this.#connect(set.index, set.start, set.count);
    if (this.#active !== set.index) this.#setActive(set.index, set.start + set.count);
  }

  /** Config space depends on the enabled index. */
  #setActive(index: number | null, vectors = 0): void {
    this.#active = index;
    this.#function?.setIrq(index, vectors);
  }

  async #undoAssign(set: IrqSet): Promise<void> {
    const events = this.#eventsOf(set.index);
    // INTx keeps its previous eventfd.
    if (set.index === VFIO_PCI_INTX_IRQ_INDEX) return;
    for (let vector = set.start; vector < set.start + set.count; vector += 1) events.replace(vector, -1);
    if (this.#active === set.index) await this.#connect(set.index, set.start, set.count);
  }

  /** Sends one message for each vector, because a message has descriptors for all of its vectors or for none. */
  async #connect(index: number, start: number, count: number): Promise<void> {
    const events = this.#eventsOf(index);
    const flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
    for (let vector = start; vector < start + count; vector += 1) {
      const eventfds: Fd[] = [events.fdOf(vector)];
      await this.#running.setIrqs({ flags, index, start: vector, count: 1, eventfds });
    }
  }

  #loopBack(set: IrqSet): void {
    const events = this.#eventsOf(set.index);
    for (let index = 0; index < set.count; index += 1) {
      if ((set.flags & VFIO_IRQ_SET_DATA_NONE) !== 0 || set.bools?.[index] !== 0) events.signal(set.start + index);
    }
  }

  async #disable(index: number): Promise<void> {
    this.#setActive(null);
    this.#eventsOf(index).clear();
    const flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
    await this.#running.setIrqs({ flags, index, start: 0, count: 0 });
  }
}

/** Returns how many bytes of data a call has. */
function dataGiven(set: IrqSet): number {
  const isEventfd = (set.flags & VFIO_IRQ_SET_DATA_EVENTFD) !== 0;
  return dataSize(set, (isEventfd ? set.eventfds : set.bools)?.length ?? 0);
}

/** Returns how many bytes of data a call for `count` interrupts needs. */
function dataSize(set: IrqSet, count: number): number {
  if ((set.flags & VFIO_IRQ_SET_DATA_EVENTFD) !== 0) return count * 4;
  return (set.flags & VFIO_IRQ_SET_DATA_BOOL) !== 0 ? count : 0;
}
