import type { OpenDevice } from '../kernel/liveness.js';
import { callKernel } from '../kernel/hints.js';
import type { Fd, IrqInfo, IrqSet } from '../kernel/kernel.js';
import {
  VFIO_IRQ_INFO_NORESIZE,
  VFIO_IRQ_SET_ACTION_MASK,
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_ACTION_UNMASK,
  VFIO_IRQ_SET_DATA_BOOL,
  VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_IRQ_SET_DATA_NONE,
} from '../uapi/vfio.js';
import { Unwinding } from '../base/unwinding.js';

/** The eventfd of each enabled vector. */
export type VectorFds = ReadonlyMap<number, Fd>;

/**
 * Changes the vectors of one interrupt index in the kernel, by VFIO_DEVICE_SET_IRQS. The caller makes one call at a time,
 * each one within `live.run` of the device.
 */
export class IrqProgrammer {
  readonly #device: OpenDevice;
  /** The number of vectors that the kernel has allocated. A disabled one among them is enabled without a new allocation. */
  #allocated = 0;

  constructor(
    device: OpenDevice,
    readonly info: IrqInfo,
  ) {
    this.#device = device;
  }

  /** Replaces one set of vectors by another. After a failure the old set is in place. */
  async change(from: VectorFds, to: VectorFds): Promise<void> {
    if (to.size === 0) {
      if (from.size > 0) await this.#disable();
      return;
    }
    if (from.size === 0) return this.#enable(to);
    if (Math.max(...to.keys()) >= this.#allocated && (this.info.flags & VFIO_IRQ_INFO_NORESIZE) !== 0)
      return this.#replace(from, to);
    await this.#adjust(from, to);
  }

  mask(vector: number): Promise<void> {
    return this.#act(VFIO_IRQ_SET_ACTION_MASK, vector, 1);
  }

  unmask(vector: number): Promise<void> {
    return this.#act(VFIO_IRQ_SET_ACTION_UNMASK, vector, 1);
  }

  trigger(vector: number): Promise<void> {
    return this.#act(VFIO_IRQ_SET_ACTION_TRIGGER, vector, 1);
  }

  /** Triggers several vectors by one call of the kernel. */
  triggerAll(vectors: readonly number[]): Promise<void> {
    const start = Math.min(...vectors);
    const bools = new Uint8Array(Math.max(...vectors) + 1 - start);
    for (const vector of vectors) bools[vector - start] = 1;
    const flags = VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER;
    return this.#set({ flags, start, count: bools.length, bools });
  }

  /** Makes the kernel unmask INTx whenever an eventfd counts. @param fd -1 to stop it */
  unmaskBy(fd: Fd): Promise<void> {
    return this.#set({
      flags: VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK,
      start: 0,
      count: 1,
      eventfds: [fd],
    });
  }

  /** Enables all vectors by one call, because the kernel then allocates as many vectors as the last one needs. */
  async #enable(to: VectorFds): Promise<void> {
    const count = Math.max(...to.keys()) + 1;
    const fds = Array.from({ length: count }, (_, vector) => to.get(vector) ?? -1);
    await this.#connect(0, fds);
    this.#allocated = count;
  }

  /** Disables the old set and enables the new one. The kernel loses interrupts that arrive between the two calls. */
  async #replace(from: VectorFds, to: VectorFds): Promise<void> {
    await this.#disable();
    const undo = new Unwinding();
    undo.push(() => this.#enable(from));
    try {
      await this.#enable(to);
    } catch (error) {
      throw await undo.failed(error);
    }
  }

  async #adjust(from: VectorFds, to: VectorFds): Promise<void> {
    const undo = new Unwinding();
    try {
      for (const run of changedRuns(from, to)) {
        await this.#connect(run.start, run.fds);
        undo.push(() =>
          this.#connect(
            run.start,
            run.fds.map((_, index) => from.get(run.start + index) ?? -1),
          ),
        );
      }
    } catch (error) {
      throw await undo.failed(error);
    }
  }

  #connect(start: number, fds: Fd[]): Promise<void> {
    const flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
    return this.#set({ flags, start, count: fds.length, eventfds: fds });
  }

  async #disable(): Promise<void> {
    await this.#act(VFIO_IRQ_SET_ACTION_TRIGGER, 0, 0);
    this.#allocated = 0;
  }

  #act(action: number, start: number, count: number): Promise<void> {
    return this.#set({ flags: VFIO_IRQ_SET_DATA_NONE | action, start, count });
  }

  #set(set: Omit<IrqSet, 'index'>): Promise<void> {
    const { kernel, deviceFd, name } = this.#device;
    return callKernel('setIrqs', { device: name }, () => kernel.setIrqs(deviceFd, { ...set, index: this.info.index }));
  }
}

/** Lists the vectors whose eventfd changes, as runs without gaps. */
function changedRuns(from: VectorFds, to: VectorFds): { start: number; fds: Fd[] }[] {
  const vectors = [...new Set([...from.keys(), ...to.keys()])].sort((one, other) => one - other);
  const runs: { start: number; fds: Fd[] }[] = [];
  for (const vector of vectors) {
    const fd = to.get(vector) ?? -1;
    if (fd === (from.get(vector) ?? -1)) continue;
    const run = runs.at(-1);
    if (run !== undefined && run.start + run.fds.length === vector) run.fds.push(fd);
    else runs.push({ start: vector, fds: [fd] });
  }
  return runs;
}
