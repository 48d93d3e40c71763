import { requireArray, requireFd, requireOptions, shown } from '../base/arguments.js';
import type { OpenDevice } from '../kernel/liveness.js';
import { warn } from '../base/diagnostics.js';
import { invalidArgument, VfioError } from '../base/errors.js';
import { checkDelivery, vectorsOf, type IrqHandler, type IrqOptions } from './options.js';
import { IrqProgrammer } from './programmer.js';
import { IrqVector, type NextOptions, requireRef, requireWait } from './vector.js';
import type { IrqDescriptor } from './waiter.js';
import type { Fd, IrqInfo } from '../kernel/kernel.js';
import { addon } from '../native/addon.js';
import { Mutex } from '../base/mutex.js';
import { VFIO_IRQ_INFO_AUTOMASKED } from '../uapi/vfio.js';
import { Unwinding } from '../base/unwinding.js';

export type { IrqHandler, IrqOptions } from './options.js';

/**
 * One interrupt index of a device: INTx, MSI, MSI-X, ERR or REQ. The kernel has one of the first three on at a time.
 * @throws (rejects) from every call: ERR_CLOSED once the device's detaching has begun, unless it began before; then the
 * detaching waits for it
 * Thread: the one that attached the device.
 */
export class DeviceIrq {
  readonly #programmer: IrqProgrammer;
  readonly #device: OpenDevice;
  readonly #vectors = new Map<number, IrqVector>();
  /** By the user; the kernel masks INTx by itself as well. */
  readonly #masked = new Set<number>();
  readonly #lock = new Mutex();

  /** @internal `Device.irq` gives them. */
  constructor(device: OpenDevice, info: IrqInfo) {
    this.#programmer = new IrqProgrammer(device, info);
    this.#device = device;
  }

  /** VFIO_PCI_INTX_IRQ_INDEX and so on. */
  get irqIndex(): number {
    return this.#programmer.info.index;
  }

  /** How many vectors the device has; 0 where it lacks this interrupt. */
  get count(): number {
    return this.#programmer.info.count;
  }

  /** VFIO_IRQ_INFO_* */
  get flags(): number {
    return this.#programmer.info.flags;
  }

  /** The vectors that are on, ascending. */
  get enabled(): number[] {
    return [...this.#vectors.keys()].sort((one, other) => one - other);
  }

  /**
   * Turns vectors on, beside those that are on. Where the kernel cannot add to a set (flag NORESIZE), all of it is
   * turned off and on: what the device sends meanwhile is lost.
   * @throws ERR_INVALID_ARGUMENT for a vector that is on or is not there; EINVAL when another interrupt is on; ENOSPC
   */
  async enable(options: IrqOptions = {}): Promise<void> {
    requireOptions(options);
    await this.#section(() => {
      const wanted = this.#wanted(options);
      checkDelivery(wanted, options);
      return this.#turnOn(wanted, (vector) => this.#create(vector, options));
    });
  }

  /** @internal Turns vector 0 on, with what was made for it before the device was there; it is closed if that fails. */
  async enableWith(made: IrqVector): Promise<void> {
    await this.#section(() => this.#turnOn(this.#wanted({}), () => made));
  }

  /**
   * Turns vectors off, all by default. What came before is still delivered; then their waits end with ERR_CLOSED.
   * Other vectors lose nothing.
   */
  async disable(vectors?: readonly number[]): Promise<void> {
    if (vectors !== undefined) requireArray('vectors', vectors);
    vectors?.forEach((vector) => this.#checked(vector));
    await this.#section(async () => {
      // Those that are on when its turn comes: enabling may be queued before it.
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

  /** Waits for interrupts of a vector and takes their count. @throws ERR_TIMEOUT, ERR_CLOSED when it is turned off */
  async next(vector = 0, options: NextOptions = {}): Promise<number> {
    requireWait(options);
    return this.#on(vector).next(options);
  }

  /** Gives the eventfd of a vector, for a worker to wait on; it closes with the vector. */
  eventfd(vector = 0): Fd {
    return this.#on(vector).fd;
  }

  /**
   * Gives a vector to another thread, which makes an `IrqWaiter` of it: exactly one, for it then owns the descriptor.
   * @throws ERR_INVALID_ARGUMENT for a vector that is delivered on this thread, ERR_CLOSED for one that is off
   */
  descriptor(vector = 0): IrqDescriptor {
    const { fd, watched, off } = this.#on(vector);
    if (watched) throw invalidArgument(`vector ${vector} is delivered here`, "enable it with `delivery: 'eventfd'`");
    return { fd: addon.dupFd(fd), off };
  }

  /** Masks a vector until it is unmasked. @throws ENOTTY where VFIO cannot: mask MSI and MSI-X in the device */
  mask(vector = 0): Promise<void> {
    return this.#section(async () => {
      await this.#programmer.mask(this.#checked(vector));
      this.#masked.add(vector);
    });
  }

  /** Unmasks a vector; INTx that is still asserted comes again at once. */
  unmask(vector = 0): Promise<void> {
    return this.#section(async () => {
      this.#masked.delete(this.#checked(vector));
      await this.#programmer.unmask(vector);
    });
  }

  /** Has the kernel unmask INTx when an eventfd counts (KVM's resample); -1 ends it. */
  async unmaskBy(eventfd: Fd): Promise<void> {
    requireFd('eventfd', eventfd, -1);
    await this.#section(() => this.#programmer.unmaskBy(eventfd));
  }

  /** Sends an interrupt to this side without the device, for tests: of one vector, or of several by one call. */
  async trigger(vector: number | readonly number[] = 0): Promise<void> {
    await this.#section(() => {
      if (!Array.isArray(vector)) return this.#programmer.trigger(this.#checked(vector as number));
      if (vector.length === 0) throw invalidArgument('no vector was named');
      return this.#programmer.triggerAll(vector.map((each: number) => this.#checked(each)));
    });
  }

  /** Lets the process end although vectors are on, or not. */
  setRef(ref: boolean): void {
    requireRef(ref);
    for (const vector of this.#vectors.values()) vector.setRef(ref);
  }

  /** @internal Ends all that is delivered here; the device is about to be closed, which turns it off in the kernel. */
  drop(): void {
    for (const vector of this.enabled) this.#drop(vector);
  }

  /** One at a time. What is still queued when the detaching begins is refused in its turn; what has begun ends. */
  #section(work: () => Promise<void>): Promise<void> {
    return this.#lock.run(() => this.#device.live.run(work));
  }

  async #turnOn(wanted: readonly number[], create: (vector: number) => IrqVector): Promise<void> {
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

  /** A handler's error is its author's to see: it becomes an unhandled rejection. INTx comes on again in any case. */
  async #handle(handler: IrqHandler, vector: number, count: number): Promise<void> {
    try {
      await handler(vector, count);
    } finally {
      if ((this.flags & VFIO_IRQ_INFO_AUTOMASKED) !== 0) await this.#unmaskAgain(vector);
    }
  }

  async #unmaskAgain(vector: number): Promise<void> {
    try {
      await this.#section(async () => {
        // It may have been turned off meanwhile, or masked by the user, who then unmasks it.
        if (this.#vectors.has(vector) && !this.#masked.has(vector)) await this.#programmer.unmask(vector);
      });
    } catch (error) {
      // Closing the device ends the interrupt: there is nothing to unmask.
      if (!this.#device.live.open) return;
      warn('INTx could not be unmasked after its handler', error, this.#device.name);
    }
  }

  #wanted(options: IrqOptions): readonly number[] {
    const list = vectorsOf(options, this.count);
    for (const vector of list) {
      if (this.#vectors.has(this.#checked(vector))) throw invalidArgument(`vector ${vector} is on already`);
    }
    return list;
  }

  #checked(vector: number): number {
    if (Number.isInteger(vector) && vector >= 0 && vector < this.count) return vector;
    throw invalidArgument(
      `interrupt ${this.irqIndex} of ${this.#device.name} has ${this.count} vectors: none is ${shown(vector)}`,
    );
  }

  #on(vector: number): IrqVector {
    this.#device.live.require();
    const found = this.#vectors.get(this.#checked(vector));
    if (found === undefined) throw new VfioError(`vector ${vector} is off`, { code: 'ERR_CLOSED' });
    return found;
  }

  #drop(vector: number): void {
    const dropped = this.#vectors.get(vector);
    this.#vectors.delete(vector);
    this.#masked.delete(vector);
    dropped?.close();
  }

  #fds(): Map<number, Fd> {
    return new Map([...this.#vectors].map(([vector, { fd }]) => [vector, fd]));
  }
}
