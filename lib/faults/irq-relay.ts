import { addon } from '../native/addon.js';
import type { WatcherHandle } from '../native/event.js';
import { VFIO_PCI_MSIX_IRQ_INDEX } from '../uapi/vfio.js';
import type { FaultChooser } from './fault-chooser.js';
import type { FaultKind, InjectedFault } from './fault.js';
import type { IrqRoute } from './messages.js';

const IRQ_KINDS: readonly FaultKind[] = ['irq-lost', 'irq-late', 'irq-doubled'];

/** Stands between the kernel and the user of an interrupt vector: takes each interrupt from one eventfd and adds it to the other. */
export class IrqRelay {
  readonly #route: IrqRoute;
  readonly #chooser: FaultChooser;
  readonly #report: (fault: InjectedFault) => void;
  readonly #watcher: WatcherHandle;
  /** The interrupts that are delivered later. */
  readonly #late = new Set<NodeJS.Timeout>();
  #removed = false;

  /** @param route the relay owns its descriptors */
  constructor(route: IrqRoute, chooser: FaultChooser, report: (fault: InjectedFault) => void) {
    this.#route = route;
    this.#chooser = chooser;
    this.#report = report;
    this.#watcher = addon.watcherCreate(route.source, (count) => this.#deliver(count));
  }

  get route(): IrqRoute {
    return this.#route;
  }

  /** Ends the interrupts of a device that was removed. Its driver gets one last interrupt if this is the request for the device. */
  remove(isRequest: boolean): void {
    this.#removed = true;
    if (isRequest) addon.eventfdWrite(this.#route.target, 1);
  }

  /** Delivers what has arrived, late interrupts too, and closes the descriptors. The kernel no longer signals the source. */
  close(): void {
    const { source, target } = this.#route;
    this.#deliver(addon.eventfdRead(source));
    addon.watcherClose(this.#watcher);
    for (const timer of this.#late) clearTimeout(timer);
    if (this.#late.size > 0) addon.eventfdWrite(target, this.#late.size);
    this.#late.clear();
    addon.closeFdSync(source);
    addon.closeFdSync(target);
  }

  #deliver(count: number): void {
    if (this.#removed) return;
    let now = 0;
    for (let i = 0; i < count; i++) now += this.#timesNow();
    if (now > 0) addon.eventfdWrite(this.#route.target, now);
  }

  /** Chooses the fault of one interrupt. @returns how often the interrupt is delivered now */
  #timesNow(): 0 | 1 | 2 {
    const { device, irqIndex, vector } = this.#route;
    // ERR and REQ are no interrupts of the device.
    if (irqIndex > VFIO_PCI_MSIX_IRQ_INDEX) return 1;
    const fault = this.#chooser.choose(IRQ_KINDS, { call: 'interrupt', device: device.name, irqIndex, vector });
    if (fault === undefined) return 1;
    this.#report(fault);
    if (fault.kind === 'irq-doubled') return 2;
    if (fault.kind === 'irq-late') this.#deliverLater(fault.delayMs ?? 0);
    return 0;
  }

  #deliverLater(delayMs: number): void {
    const timer = setTimeout(() => {
      this.#late.delete(timer);
      if (!this.#removed) addon.eventfdWrite(this.#route.target, 1);
    }, delayMs);
    this.#late.add(timer);
  }
}
