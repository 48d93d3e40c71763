import type { MessagePort } from 'node:worker_threads';

import { VFIO_PCI_REQ_IRQ_INDEX } from '../uapi/vfio.js';
import { AccessRelay } from './access-relay.js';
import { FaultChooser } from './fault-chooser.js';
import type { InjectedFault } from './fault.js';
import { IrqRelay } from './irq-relay.js';
import type { FaultThreadData, FromFaultThread, ToFaultThread } from './messages.js';

/** How long a transfer waits for the death of its I/O worker. The plan's thread may be blocked by that very transfer. */
const KILL_MS = 100;

/** The relays of a plan's thread: the accesses of its devices, and their interrupts. Thread: workers/fault-host.ts */
export class FaultRelays {
  readonly #port: MessagePort;
  readonly #chooser: FaultChooser;
  readonly #accesses = new Map<number, AccessRelay>();
  readonly #irqs = new Map<number, IrqRelay>();
  readonly #kills = new Map<number, () => void>();
  #ticket = 0;

  /** Begins to serve. */
  constructor({ settings, port }: FaultThreadData) {
    this.#port = port;
    this.#chooser = new FaultChooser(settings);
    port.on('message', (message: ToFaultThread) => void this.#take(message));
  }

  async #take(message: ToFaultThread): Promise<void> {
    switch (message.kind) {
      case 'open-accesses':
        this.#accesses.set(message.route.device.id, new AccessRelay(message.route, this.#accessHost));
        break;
      case 'mapped':
        this.#accesses.get(message.deviceId)?.addMapping(message.mapping);
        break;
      case 'open-irqs':
        for (const route of message.routes) this.#irqs.set(route.id, new IrqRelay(route, this.#chooser, this.#report));
        break;
      case 'close-accesses':
        await this.#accesses.get(message.deviceId)?.close();
        this.#accesses.delete(message.deviceId);
        this.#tell({ kind: 'done', request: message.request });
        break;
      case 'close-irqs':
        for (const id of message.ids) {
          this.#irqs.get(id)?.close();
          this.#irqs.delete(id);
        }
        this.#tell({ kind: 'done', request: message.request });
        break;
      case 'killed':
        this.#kills.get(message.ticket)?.();
    }
  }

  readonly #report = (fault: InjectedFault): void => this.#tell({ kind: 'injected', fault });

  get #accessHost(): ConstructorParameters<typeof AccessRelay>[1] {
    return {
      chooser: this.#chooser,
      report: this.#report,
      kill: (fault) => this.#kill(fault),
      removed: (deviceId) => this.#removed(deviceId),
    };
  }

  async #kill(fault: InjectedFault): Promise<void> {
    const ticket = ++this.#ticket;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#kills.set(ticket, resolve);
      timer = setTimeout(resolve, KILL_MS);
      this.#tell({ kind: 'kill', fault, ticket });
    });
    clearTimeout(timer);
    this.#kills.delete(ticket);
  }

  #removed(deviceId: number): void {
    this.#tell({ kind: 'removed', deviceId });
    for (const relay of this.#irqs.values()) {
      const { device, irqIndex } = relay.route;
      if (device.id === deviceId) relay.remove(irqIndex === VFIO_PCI_REQ_IRQ_INDEX);
    }
  }

  #tell(message: FromFaultThread): void {
    this.#port.postMessage(message);
  }
}
