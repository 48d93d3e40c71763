import { channel } from 'node:diagnostics_channel';
import type { Worker } from 'node:worker_threads';

import type { VfioKernel } from '../kernel/kernel.js';
import { checkPlan } from './check-plan.js';
import { FaultChooser, type FaultSettings } from './fault-chooser.js';
import { FAULT_KINDS, type FaultKind, type FaultPlanOptions, type InjectedFault } from './fault.js';
import { FaultThread } from './fault-thread.js';
import { FaultyDevice, type RelayedParts } from './faulty-device.js';
import { FaultyKernel, type FaultyKernelHost } from './faulty-kernel.js';

/** Publishes each `InjectedFault`. */
const faultChannel = channel('vfio-engine:fault');

/** The kinds that are injected into transfers of trapped regions, and those of interrupts. */
const ACCESS_KINDS: ReadonlySet<FaultKind> = new Set(['short-read', 'all-ones', 'removal', 'worker-killed']);
const IRQ_KINDS: ReadonlySet<FaultKind> = new Set(['irq-lost', 'irq-late', 'irq-doubled']);

/**
 * Faults on demand, to test how a program meets them. Give it to an engine (`new Engine({ faults: plan })`), or wrap a kernel
 * by it. Faults are random by a seed, or chosen one by one. The same plan and a program that makes the same calls in the
 * same order give the same faults. A plan keeps its counts: use a new plan to repeat a run.
 * Thread: the one that created it; faults reach all threads of the process.
 */
export class FaultPlan {
  readonly #settings: FaultSettings;
  readonly #host: FaultyKernelHost;
  readonly #parts: RelayedParts;
  readonly #injected: InjectedFault[] = [];
  readonly #devices = new Map<number, FaultyDevice>();
  /** Returns the I/O worker of each device that an engine attaches. */
  readonly #workers = new Map<string, () => Worker | undefined>();
  #thread: FaultThread | undefined;
  #lastDevice = 0;

  /** @throws ERR_INVALID_ARGUMENT if an option is not what its type says */
  constructor(options: FaultPlanOptions) {
    this.#settings = checkPlan(options);
    this.#parts = relayedParts(this.#settings);
    this.#host = {
      chooser: new FaultChooser(this.#settings),
      faults: this.#settings.faults,
      report: (fault) => this.#report(fault),
      openDevice: (name, device) => this.#openDevice(name, device),
      closed: (device) => void this.#devices.delete(device.identity.id),
      drain: () => this.#thread?.drain(),
    };
  }

  /** The seed of the random faults. */
  get seed(): number {
    return this.#settings.seed;
  }

  /** The faults that were injected, in their order. */
  get injected(): readonly InjectedFault[] {
    this.#thread?.drain();
    return this.#injected;
  }

  /** How many faults of each kind were injected. */
  get counts(): Readonly<Record<FaultKind, number>> {
    const counts = Object.fromEntries(FAULT_KINDS.map((kind) => [kind, 0])) as Record<FaultKind, number>;
    for (const { kind } of this.injected) counts[kind] += 1;
    return counts;
  }

  /**
   * Wraps a kernel. The wrapped kernel has the methods of the kernel, and can be given to an engine in its place.
   * @param kernel the caller closes it
   */
  wrap<Kernel extends VfioKernel>(kernel: Kernel): Kernel {
    return FaultyKernel.wrap(kernel, this.#host);
  }

  /**
   * @internal Tells which thread serves a device, for the kind `worker-killed`.
   * @param thread returns the thread that serves the device now
   * @returns a function that ends this
   */
  useWorker(device: string, thread: () => Worker | undefined): () => void {
    this.#workers.set(device, thread);
    return () => {
      if (this.#workers.get(device) === thread) this.#workers.delete(device);
    };
  }

  /** Ends the thread of the plan, unless a device is open. It starts again with the next device. `Engine.close` calls this. */
  async close(): Promise<void> {
    if (this.#devices.size > 0) return;
    const thread = this.#thread;
    this.#thread = undefined;
    await thread?.end();
  }

  #openDevice(name: string, device: { readonly kernel: VfioKernel; readonly fd: number }): FaultyDevice {
    const identity = { id: ++this.#lastDevice, name };
    const open = new FaultyDevice(identity, device, this.#parts, () => this.#startThread());
    this.#devices.set(identity.id, open);
    return open;
  }

  #startThread(): FaultThread {
    this.#thread ??= new FaultThread(this.#settings, {
      injected: (fault) => this.#report(fault),
      kill: (fault) => this.#kill(fault),
      removed: (id) => {
        const device = this.#devices.get(id);
        if (device !== undefined) device.removed = true;
      },
    });
    return this.#thread;
  }

  /** Terminates the I/O worker of a device. A device that no engine has attached has none. */
  #kill(fault: InjectedFault): void {
    const thread = this.#workers.get(fault.device ?? '')?.();
    if (thread === undefined) return;
    this.#report(fault);
    // Not awaited: the thread ends when the transfer is answered that waits for this call.
    void thread.terminate();
  }

  #report(fault: InjectedFault): void {
    this.#injected.push(fault);
    if (faultChannel.hasSubscribers) faultChannel.publish(fault);
  }
}

/** Finds what has to pass through the thread of a plan. All else keeps its speed. */
function relayedParts({ rates, faults }: FaultSettings): RelayedParts {
  const has = (kind: FaultKind): boolean => (rates[kind] ?? 0) > 0 || faults.some((fault) => fault.kind === kind);
  const failsAccess = faults.some(({ call }) => call === 'regionRead' || call === 'regionWrite');
  return {
    accesses: failsAccess || (rates.fail ?? 0) > 0 || [...ACCESS_KINDS].some(has),
    interrupts: [...IRQ_KINDS].some(has),
    request: has('removal'),
  };
}
