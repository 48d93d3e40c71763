import type { ConnectionHandle, Fd, IoTarget, IrqSet, MappingHandle, VfioKernel } from '../kernel/kernel.js';
import { addon } from '../native/addon.js';
import { LONGEST_WAIT_MS } from '../base/arguments.js';
import { VfioError } from '../base/errors.js';
import { VFIO_PCI_REQ_IRQ_INDEX } from '../uapi/vfio.js';
import type { FaultThread } from './fault-thread.js';
import { FaultyIrqs } from './faulty-irqs.js';
import type { RelayedDevice } from './messages.js';

/** What of a device passes through the thread of the plan. */
export interface RelayedParts {
  readonly accesses: boolean;
  readonly interrupts: boolean;
  /** The interrupt by which the kernel asks for the device, which a removal sends. */
  readonly request: boolean;
}

/** A device that a wrapped kernel has opened. Thread: the plan's. */
export class FaultyDevice {
  /** Whether the plan has removed the device. */
  removed = false;
  readonly #kernel: VfioKernel;
  readonly #fd: Fd;
  readonly #parts: RelayedParts;
  readonly #thread: () => FaultThread;
  readonly #irqs: FaultyIrqs;
  readonly #mappings: MappingHandle[] = [];
  #connection: ConnectionHandle | undefined;

  constructor(
    readonly identity: RelayedDevice,
    device: { readonly kernel: VfioKernel; readonly fd: Fd },
    parts: RelayedParts,
    thread: () => FaultThread,
  ) {
    this.#kernel = device.kernel;
    this.#fd = device.fd;
    this.#parts = parts;
    this.#thread = thread;
    this.#irqs = new FaultyIrqs(identity, thread);
  }

  /** Returns where native code sends transfers: to the plan's thread if the plan has faults for them. */
  ioTarget(): IoTarget {
    const target = this.#kernel.ioTarget(this.#fd);
    if (!this.#parts.accesses) return target;
    this.#connection ??= this.#connect(target);
    return { kind: 'vfio-user', connection: this.#connection };
  }

  /** Notes a mapping, which a removal revokes. */
  noteMapping(mapping: MappingHandle): void {
    this.#mappings.push(mapping);
    if (this.#connection !== undefined) this.#tellMapping(mapping);
  }

  /** Makes the call of VFIO_DEVICE_SET_IRQS. @param call makes the kernel's call */
  setIrqs(set: IrqSet, call: (set: IrqSet) => Promise<void>): Promise<void> {
    const { interrupts, request } = this.#parts;
    const relayed = interrupts || (request && set.index === VFIO_PCI_REQ_IRQ_INDEX);
    return relayed ? this.#irqs.set(set, call) : call(set);
  }

  /**
   * Closes the device.
   * @param close closes it in the kernel
   * @throws (rejects) what `close` rejects with
   */
  async close(close: () => Promise<void>): Promise<void> {
    const connection = this.#connection;
    if (connection !== undefined) {
      await this.#thread().ask({ kind: 'close-accesses', deviceId: this.identity.id });
      await addon.connectionClose(connection);
    }
    try {
      await close();
    } finally {
      await this.#irqs.close();
    }
  }

  #connect(target: IoTarget): ConnectionHandle {
    const fileOffsets = target.kind === 'fd' ? this.#fileOffsets() : [];
    const [client, socket] = addon.socketPair();
    let connection: ConnectionHandle;
    try {
      // The device has a time limit of its own.
      connection = addon.connectionOpen(client, LONGEST_WAIT_MS);
    } catch (error) {
      addon.closeFdSync(socket);
      throw error;
    }
    this.#thread().tell({
      kind: 'open-accesses',
      route: { device: this.identity, socket, target, fileOffsets },
    });
    for (const mapping of this.#mappings) this.#tellMapping(mapping);
    return connection;
  }

  #tellMapping(mapping: MappingHandle): void {
    this.#thread().tell({ kind: 'mapped', deviceId: this.identity.id, mapping });
  }

  #fileOffsets(): (bigint | undefined)[] {
    const { numRegions } = this.#kernel.getDeviceInfo(this.#fd);
    return Array.from({ length: numRegions }, (_, index) => {
      try {
        return this.#kernel.getRegionInfo(this.#fd, index).offset;
      } catch (error) {
        // A device does not have every region.
        if (error instanceof VfioError && error.code === 'EINVAL') return undefined;
        throw error;
      }
    });
  }
}
