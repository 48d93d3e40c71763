import { argumentError, requireArray, requireFd, requireOptions } from '../base/arguments.js';
import { warn } from '../base/diagnostics.js';
import { invalidArgument, VfioError } from '../base/errors.js';
import { Mutex } from '../base/mutex.js';
import { Unwinding } from '../base/unwinding.js';
import type { Fd, IrqInfo } from '../kernel/kernel.js';
import type { OpenDevice } from '../kernel/liveness.js';
import { addon } from '../native/addon.js';
import { VFIO_IRQ_INFO_AUTOMASKED } from '../uapi/vfio.js';
import { requireDelivery, selectedVectors, type IrqHandler, type IrqOptions } from './options.js';
import { IrqProgrammer } from './programmer.js';
import { IrqVector, type LentEventfd, type NextOptions, requireRef, requireWait, takeLent } from './vector.js';
import type { IrqDescriptor } from './waiter.js';

export type { IrqHandler, IrqOptions } from './options.js';

/**
 * One interrupt index of a device: INTx, MSI, MSI-X, ERR or REQ. The kernel allows only one of INTx, MSI and MSI-X to be
 * enabled at a time.
 * @throws (rejects) from every call: ERR_CLOSED if the device is detached. Detaching waits for calls that have begun.
 * Thread: the one that attached the device.
 */
export class DeviceIrq {
  readonly #programmer: IrqProgrammer;
  readonly #device: OpenDevice;
  readonly #vectors = new Map<number, IrqVector>();
  /** The vectors that the user masked. The kernel also masks INTx by itself. */
  readonly #masked = new Set<number>();
  readonly #lock = new Mutex();
  /** The descriptors of which no thread has created a waiter. */
  #lent: LentEventfd[] = [];

  private constructor(device: OpenDevice, info: IrqInfo) {
    this.#programmer = new IrqProgrammer(device, info);
    this.#device = device;
  }

  /** @internal Use `Device.irq`. */
  static create(device: OpenDevice, info: IrqInfo): DeviceIrq {
    return new DeviceIrq(device, info);
  }

  /** VFIO_PCI_INTX_IRQ_INDEX, VFIO_PCI_MSI_IRQ_INDEX and so on. */
  get irqIndex(): number {
    return this.#programmer.info.index;
  }

  /** The number of vectors; 0 if the device does not have this interrupt. */
  get count(): number {
    return this.#programmer.info.count;
  }

  /** The flags VFIO_IRQ_INFO_*. */
  get flags(): number {
    return this.#programmer.info.flags;
  }

  /** The enabled vectors, ascending. */
  get enabled(): number[] {
    return [...this.#vectors.keys()].sort((one, other) => one - other);
  }

  /**
   * Enables vectors in addition to the enabled ones. If the kernel cannot extend a set (flag NORESIZE), a vector beyond the
   * highest one so far disables all vectors for a moment. Interrupts that arrive then are lost.
   * @throws (rejects) ERR_INVALID_ARGUMENT if a vector is enabled already or does not exist; EINVAL if another interrupt
   *   index is enabled; ENOSPC if the host has no more vectors; ERR_CLOSED
   */
  async enable(options: IrqOptions = {}): Promise<void> {
    requireOptions(options);
    await this.#section(() => {
      const wanted = this.#wanted(options);
      requireDelivery(wanted, options);
      return this.#enableVectors(wanted, (vector) => this.#create(vector, options));
    });
  }

  /** @internal Enables vector 0 with an eventfd that exists already; closes it on failure. */
  async enableWith(vector: IrqVector): Promise<void> {
    await this.#section(() => this.#enableVectors(this.#wanted({}), () => vector));
  }

  /**
   * Disables vectors. Interrupts that arrived before are still delivered; then their waits end with ERR_CLOSED. Other
   * vectors lose no interrupt.
   * @param vectors default all enabled vectors
   * @throws (rejects) ERR_INVALID_ARGUMENT if a vector does not exist; the kernel's errno; ERR_CLOSED
   */
  async disable(vectors?: readonly number[]): Promise<void> {
    if (vectors !== undefined) requireArray('vectors', vectors);
    vectors?.forEach((vector) => this.#requireVector(vector));
    await this.#section(async () => {
      // Read here and not before the section: calls of `enable` may be queued.
      const ending = vectors ?? this.enabled;
      const before = this.#fds();
      const after = new Map([...before].filter(([vector]) => !ending.includes(vector)));
      await this.#programmer.change(before, after);
      for (const vector of ending) {
        this.#vectors.get(vector)?.end();
        this.#drop(vector);
      }
    });
  }

  /**
   * Waits for interrupts of a vector that is delivered on this thread.
   * @returns their number since the last call
   * @throws (rejects) ERR_TIMEOUT; ERR_ABORTED; ERR_CLOSED if the vector is disabled or the device is gone; ERR_NOT_SUPPORTED if it is delivered to an eventfd
   */
  async next(vector = 0, options: NextOptions = {}): Promise<number> {
    requireWait(options);
    return this.#enabledVector(vector).next(options);
  }

  /**
   * Returns the eventfd of a vector. It is closed when the vector is disabled.
   * @throws ERR_INVALID_ARGUMENT if the vector does not exist; ERR_CLOSED if it is disabled
   */
  eventfd(vector = 0): Fd {
    return this.#enabledVector(vector).fd;
  }

  /**
   * Returns a descriptor of a vector for another thread, which creates exactly one `IrqWaiter` of it. A descriptor of which none
   * was created ends when the device is detached.
   * @throws ERR_INVALID_ARGUMENT if the vector is delivered on this thread; ERR_CLOSED if it is disabled
   */
  descriptor(vector = 0): IrqDescriptor {
    const found = this.#enabledVector(vector);
    if (found.watched) {
      const hint = "enable it with `delivery: 'eventfd'`";
      throw invalidArgument(`vector ${vector} is delivered on the thread that attached the device`, hint);
    }
    this.#lent = this.#lent.filter(({ taken }) => Atomics.load(taken, 0) === 0);
    const lent = found.lend();
    this.#lent.push(lent);
    return { ...lent, off: found.off };
  }

  /**
   * Masks a vector until `unmask`.
   * @throws (rejects) ENOTTY for MSI and MSI-X, which VFIO cannot mask: mask them in the device; ERR_INVALID_ARGUMENT
   */
  mask(vector = 0): Promise<void> {
    return this.#section(async () => {
      await this.#programmer.mask(this.#requireVector(vector));
      this.#masked.add(vector);
    });
  }

  /** Unmasks a vector. INTx that is still asserted interrupts again at once. @throws (rejects) as `mask` */
  unmask(vector = 0): Promise<void> {
    return this.#section(async () => {
      this.#masked.delete(this.#requireVector(vector));
      await this.#programmer.unmask(vector);
    });
  }

  /**
   * Makes the kernel unmask INTx whenever an eventfd counts, as KVM's resamplefd does.
   * @param eventfd -1 to stop it
   * @throws (rejects) ERR_INVALID_ARGUMENT; the kernel's errno; ERR_CLOSED
   */
  async unmaskBy(eventfd: Fd): Promise<void> {
    requireFd('eventfd', eventfd, -1);
    await this.#section(() => this.#programmer.unmaskBy(eventfd));
  }

  /**
   * Makes the kernel send an interrupt without the device, for tests.
   * @param vector one vector, or several that the kernel triggers by one call
   * @throws (rejects) ERR_INVALID_ARGUMENT if a vector does not exist; the kernel's errno; ERR_CLOSED
   */
  async trigger(vector: number | readonly number[] = 0): Promise<void> {
    await this.#section(() => {
      if (!Array.isArray(vector)) return this.#programmer.trigger(this.#requireVector(vector as number));
      if (vector.length === 0) throw invalidArgument('`vector` must not be an empty array');
      return this.#programmer.triggerAll(vector.map((each: number) => this.#requireVector(each)));
    });
  }

  /** Sets whether the enabled vectors keep the event loop alive. @throws ERR_INVALID_ARGUMENT */
  setRef(ref: boolean): void {
    requireRef(ref);
    for (const vector of this.#vectors.values()) vector.setRef(ref);
  }

  /** @internal Ends all delivery in this process. The device is being closed, which disables the interrupt in the kernel. */
  drop(): void {
    for (const vector of this.enabled) this.#drop(vector, this.#device.live.reason);
    for (const lent of this.#lent.splice(0)) if (takeLent(lent)) addon.closeFdSync(lent.fd);
  }

  /** Runs sections one at a time. Sections that have not begun when detaching begins fail with ERR_CLOSED. */
  #section(work: () => Promise<void>): Promise<void> {
    return this.#lock.run(() => this.#device.live.run(work));
  }

  async #enableVectors(wanted: readonly number[], create: (vector: number) => IrqVector): Promise<void> {
    const undo = new Unwinding();
    const before = this.#fds();
    try {
      for (const vector of wanted) {
        this.#vectors.set(vector, create(vector));
        undo.push(() => this.#drop(vector));
      }
      await this.#programmer.change(before, this.#fds());
    } catch (error) {
      throw await undo.failed(error);
    }
  }

  #create(vector: number, { handler, counts, eventfds, delivery = 'main' }: IrqOptions): IrqVector {
    const fd = eventfds?.get(vector);
    if (fd !== undefined) return IrqVector.borrow(fd);
    if (delivery === 'eventfd') return IrqVector.create(undefined);
    return IrqVector.create((count) => {
      if (counts !== undefined) {
        Atomics.add(counts, vector, count);
        Atomics.notify(counts, vector);
      }
      if (handler !== undefined) void this.#handle(handler, vector, count);
    });
  }

  /** Calls a handler. Its error becomes an unhandled rejection. INTx is unmasked in any case. */
  async #handle(handler: IrqHandler, vector: number, count: number): Promise<void> {
    try {
      await handler(vector, count);
    } finally {
      if ((this.flags & VFIO_IRQ_INFO_AUTOMASKED) !== 0) await this.#unmaskAfterHandler(vector);
    }
  }

  async #unmaskAfterHandler(vector: number): Promise<void> {
    try {
      await this.#section(async () => {
        // The handler may have disabled the vector. If the user masked it, the user unmasks it.
        if (this.#vectors.has(vector) && !this.#masked.has(vector)) await this.#programmer.unmask(vector);
      });
    } catch (error) {
      // Detaching the device has disabled the interrupt.
      if (!this.#device.live.open) return;
      warn('INTx could not be unmasked after its handler', error, this.#device.name);
    }
  }

  #wanted(options: IrqOptions): readonly number[] {
    const vectors = selectedVectors(options, this.count);
    for (const vector of vectors) {
      if (this.#vectors.has(this.#requireVector(vector))) throw invalidArgument(`vector ${vector} is enabled already`);
    }
    return vectors;
  }

  #requireVector(vector: number): number {
    if (Number.isInteger(vector) && vector >= 0 && vector < this.count) return vector;
    const owner = `interrupt ${this.irqIndex} of ${this.#device.name}`;
    if (this.count === 0) throw invalidArgument(`${owner} has no vectors`);
    throw argumentError('vector', `an integer less than ${this.count}, the number of vectors of ${owner}`, vector);
  }

  #enabledVector(vector: number): IrqVector {
    this.#device.live.require();
    const found = this.#vectors.get(this.#requireVector(vector));
    if (found === undefined) throw new VfioError(`vector ${vector} is disabled`, { code: 'ERR_CLOSED' });
    return found;
  }

  #drop(vector: number, cause?: VfioError): void {
    const dropped = this.#vectors.get(vector);
    this.#vectors.delete(vector);
    this.#masked.delete(vector);
    dropped?.close(cause);
  }

  #fds(): Map<number, Fd> {
    return new Map([...this.#vectors].map(([vector, { fd }]) => [vector, fd]));
  }
}
