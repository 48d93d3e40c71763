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
import type { DeviceHost } from './host.js';
import { IrqEvents } from './irq-events.js';
import { Mutex } from '../mutex.js';
import { refuse } from '../refusal.js';

const IRQ_INFO_SIZE = 16;
const IRQ_SET_SIZE = 20;
const U32_MAX = 0xffffffff;
const DATA_TYPES = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_DATA_EVENTFD;
const ACTIONS = VFIO_IRQ_SET_ACTION_MASK | VFIO_IRQ_SET_ACTION_UNMASK | VFIO_IRQ_SET_ACTION_TRIGGER;

/**
 * The interrupts of a device that a user has: which index is on, where each vector goes, and what SET_IRQS refuses before
 * the device hears of it. Source: drivers/vfio/pci/vfio_pci_intrs.c
 */
export class VfioPciIrqs {
  readonly #lock = new Mutex();
  readonly #events = new Map<number, IrqEvents>();
  #host: DeviceHost | null = null;
  /** INTx, MSI or MSI-X, of which one at most is on. */
  #active: number | null = null;

  /** A user has the device. */
  start(host: DeviceHost): void {
    this.#host = host;
  }

  /** The user is gone: everything off. */
  async stop(): Promise<void> {
    await this.#lock.run(async () => {
      try {
        if (this.#active !== null) await this.#disable(this.#active);
      } finally {
        for (const events of this.#events.values()) events.clear();
        this.#host = null;
      }
    });
  }

  /** Tells the user by the REQ eventfd, where there is one, to let go of the device. */
  signalRequest(): void {
    this.#eventsOf(VFIO_PCI_REQ_IRQ_INDEX).signal(0);
  }

  getInfo(irqIndex: number, argsz: number | undefined): IrqInfo {
    if (argsz !== undefined && argsz < IRQ_INFO_SIZE) refuse('EINVAL');
    if (irqIndex === VFIO_PCI_REQ_IRQ_INDEX) {
      return { index: irqIndex, flags: VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE, count: 1 };
    }
    const info = this.#running.irqs[irqIndex];
    if (info === undefined || irqIndex >= VFIO_PCI_NUM_IRQS) refuse('EINVAL');
    if (irqIndex === VFIO_PCI_ERR_IRQ_INDEX && info.count === 0) refuse('EINVAL');
    return info;
  }

  /** VFIO_DEVICE_SET_IRQS. @throws EINVAL, ENOTTY, ERANGE, EBADF */
  async set(set: IrqSet): Promise<void> {
    this.#validate(set);
    await this.#lock.run(() => {
      const { index } = set;
      const action = set.flags & ACTIONS;
      if (index === VFIO_PCI_REQ_IRQ_INDEX || index === VFIO_PCI_ERR_IRQ_INDEX) return this.#setSingle(set, action);
      if (index === VFIO_PCI_INTX_IRQ_INDEX) return this.#setIntx(set, action);
      if (action !== VFIO_IRQ_SET_ACTION_TRIGGER) refuse('ENOTTY');
      return this.#setMessages(set);
    });
  }

  get #running(): DeviceHost {
    return this.#host ?? refuse('ENODEV');
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
    const argsz = set.argsz ?? IRQ_SET_SIZE + dataGiven(set);
    if (argsz < IRQ_SET_SIZE || set.index >= VFIO_PCI_NUM_IRQS || set.count >= U32_MAX - set.start) refuse('EINVAL');
    if ((set.flags & ~(DATA_TYPES | ACTIONS)) !== 0) refuse('EINVAL');
    const available = this.#countOf(set.index);
    if (set.start >= available || set.start + set.count > available) refuse('EINVAL');
    const dataType = set.flags & DATA_TYPES;
    if (dataType === 0 || (dataType & (dataType - 1)) !== 0) refuse('EINVAL');
    if (argsz - IRQ_SET_SIZE < dataSize(set, set.count)) refuse('EINVAL');
  }

  /** REQ and ERR: one eventfd, signalled by the driver itself. */
  #setSingle(set: IrqSet, action: number): void {
    if (action !== VFIO_IRQ_SET_ACTION_TRIGGER) refuse('ENOTTY');
    const events = this.#eventsOf(set.index);
    if ((set.flags & VFIO_IRQ_SET_DATA_NONE) !== 0) {
      if (!events.has(0)) refuse('EINVAL');
      if (set.count > 0) events.signal(0);
      else events.clear();
      return;
    }
    if (set.count === 0) refuse('EINVAL');
    if ((set.flags & VFIO_IRQ_SET_DATA_BOOL) !== 0) {
      if (set.bools?.[0] !== 0) events.signal(0);
      return;
    }
    const fd = set.eventfds?.[0] ?? -1;
    if (fd < -1) refuse('EINVAL');
    events.replace(0, fd);
  }

  async #setIntx(set: IrqSet, action: number): Promise<void> {
    const on = this.#active === VFIO_PCI_INTX_IRQ_INDEX;
    if (action !== VFIO_IRQ_SET_ACTION_TRIGGER) {
      if (action !== VFIO_IRQ_SET_ACTION_MASK && action !== VFIO_IRQ_SET_ACTION_UNMASK) refuse('ENOTTY');
      if (!on || set.start !== 0 || set.count !== 1) refuse('EINVAL');
      if (action === VFIO_IRQ_SET_ACTION_MASK && (set.flags & VFIO_IRQ_SET_DATA_EVENTFD) !== 0) refuse('ENOTTY');
      return this.#running.setIrqs(set);
    }
    if (on && set.count === 0 && (set.flags & VFIO_IRQ_SET_DATA_NONE) !== 0) return this.#disable(set.index);
    if ((this.#active !== null && !on) || set.start !== 0 || set.count !== 1) refuse('EINVAL');
    if ((set.flags & VFIO_IRQ_SET_DATA_EVENTFD) !== 0) return this.#assign(set);
    if (!on) refuse('EINVAL');
    this.#loopBack(set);
  }

  /** MSI and MSI-X. */
  async #setMessages(set: IrqSet): Promise<void> {
    const on = this.#active === set.index;
    if (on && set.count === 0 && (set.flags & VFIO_IRQ_SET_DATA_NONE) !== 0) return this.#disable(set.index);
    if (this.#active !== null && !on) refuse('EINVAL');
    if ((set.flags & VFIO_IRQ_SET_DATA_EVENTFD) === 0) {
      if (!on) refuse('EINVAL');
      return this.#loopBack(set);
    }
    // The kernel allocates vectors up to the highest one: none at all is out of range.
    if (!on && set.start + set.count === 0) refuse('ERANGE');
    if (set.count > 0) await this.#assign(set);
  }

  /** Connects vectors to eventfds; when one of these is none, all of the call's vectors end up without. */
  async #assign(set: IrqSet): Promise<void> {
    const events = this.#eventsOf(set.index);
    const fds = set.eventfds ?? [];
    try {
      fds.slice(0, set.count).forEach((fd, index) => events.replace(set.start + index, fd));
    } catch (error) {
      await this.#undoAssign(set);
      throw error;
    }
    await this.#tellHost(set.index, set.start, set.count);
    this.#active = set.index;
  }

  async #undoAssign(set: IrqSet): Promise<void> {
    const events = this.#eventsOf(set.index);
    // INTx keeps the eventfd that it had.
    if (set.index === VFIO_PCI_INTX_IRQ_INDEX) return;
    for (let vector = set.start; vector < set.start + set.count; vector += 1) events.replace(vector, -1);
    if (this.#active === set.index) await this.#tellHost(set.index, set.start, set.count);
  }

  /** Vector by vector: a message either has descriptors for all of its vectors or for none. */
  async #tellHost(index: number, start: number, count: number): Promise<void> {
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
    this.#active = null;
    this.#eventsOf(index).clear();
    const flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
    await this.#running.setIrqs({ flags, index, start: 0, count: 0 });
  }
}

/** Bytes of data that a call brings. */
function dataGiven(set: IrqSet): number {
  const isEventfd = (set.flags & VFIO_IRQ_SET_DATA_EVENTFD) !== 0;
  return dataSize(set, (isEventfd ? set.eventfds : set.bools)?.length ?? 0);
}

/** Bytes of data that go with `count` interrupts. */
function dataSize(set: IrqSet, count: number): number {
  if ((set.flags & VFIO_IRQ_SET_DATA_EVENTFD) !== 0) return count * 4;
  return (set.flags & VFIO_IRQ_SET_DATA_BOOL) !== 0 ? count : 0;
}
