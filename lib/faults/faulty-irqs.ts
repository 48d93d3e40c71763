import type { Fd, IrqSet } from '../kernel/kernel.js';
import { addon } from '../native/addon.js';
import {
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_ACTION_TYPE_MASK,
  VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_IRQ_SET_DATA_NONE,
  VFIO_IRQ_SET_DATA_TYPE_MASK,
} from '../uapi/vfio.js';
import type { FaultThread } from './fault-thread.js';
import type { IrqRoute, RelayedDevice } from './messages.js';

/** The number of the next route, within the process. */
let nextRoute = 1;

/**
 * The interrupts of one device: the kernel gets eventfds of the plan's, and the plan's thread passes their interrupts on to the
 * eventfds of the user. Thread: the plan's; one call at a time for each interrupt index.
 */
export class FaultyIrqs {
  readonly #device: RelayedDevice;
  readonly #thread: () => FaultThread;
  /** The routes that are set up. */
  readonly #routes = new Map<number, IrqRoute>();

  constructor(device: RelayedDevice, thread: () => FaultThread) {
    this.#device = device;
    this.#thread = thread;
  }

  /**
   * Makes the call of VFIO_DEVICE_SET_IRQS with the eventfds replaced.
   * @param call makes the kernel's call
   * @throws (rejects) what the call rejects with; the user's eventfds then stay as they were
   */
  async set(set: IrqSet, call: (set: IrqSet) => Promise<void>): Promise<void> {
    if (!isTrigger(set)) return call(set);
    const { flags, index, start, count, eventfds } = set;
    if ((flags & VFIO_IRQ_SET_DATA_TYPE_MASK) === VFIO_IRQ_SET_DATA_NONE) {
      await call(set);
      // A count of 0 turns the interrupt off. Otherwise the call triggers vectors.
      if (count === 0) await this.#close((route) => route.irqIndex === index);
      return;
    }
    if ((flags & VFIO_IRQ_SET_DATA_TYPE_MASK) !== VFIO_IRQ_SET_DATA_EVENTFD || eventfds === undefined) return call(set);
    const opened = this.#open(index, start, eventfds);
    try {
      await call({
        ...set,
        eventfds: eventfds.map((_, at) => opened.find(({ vector }) => vector === start + at)?.source ?? -1),
      });
    } catch (error) {
      await this.#close((route) => opened.includes(route));
      throw error;
    }
    const replaced = ({ irqIndex, vector }: IrqRoute): boolean =>
      irqIndex === index && vector >= start && vector < start + count;
    await this.#close((route) => replaced(route) && !opened.includes(route));
  }

  /** Delivers what has arrived and closes all routes. The device has been closed. */
  close(): Promise<void> {
    return this.#close(() => true);
  }

  /** @throws EBADF if an eventfd is not open; EMFILE */
  #open(irqIndex: number, start: number, eventfds: readonly Fd[]): IrqRoute[] {
    const routes: IrqRoute[] = [];
    try {
      for (const [at, eventfd] of eventfds.entries()) {
        if (eventfd >= 0) routes.push(this.#route(irqIndex, start + at, eventfd));
      }
    } catch (error) {
      for (const { source, target } of routes) for (const fd of [source, target]) addon.closeFdSync(fd);
      throw error;
    }
    for (const route of routes) this.#routes.set(route.id, route);
    this.#thread().tell({ kind: 'open-irqs', routes });
    return routes;
  }

  #route(irqIndex: number, vector: number, eventfd: Fd): IrqRoute {
    const target = addon.dupFd(eventfd);
    try {
      return { id: nextRoute++, device: this.#device, irqIndex, vector, target, source: addon.eventfdCreate() };
    } catch (error) {
      addon.closeFdSync(target);
      throw error;
    }
  }

  async #close(chosen: (route: IrqRoute) => boolean): Promise<void> {
    const ids = [...this.#routes.values()].filter(chosen).map(({ id }) => id);
    if (ids.length === 0) return;
    for (const id of ids) this.#routes.delete(id);
    await this.#thread().ask({ kind: 'close-irqs', ids });
  }
}

function isTrigger({ flags }: IrqSet): boolean {
  return (flags & VFIO_IRQ_SET_ACTION_TYPE_MASK) === VFIO_IRQ_SET_ACTION_TRIGGER;
}
