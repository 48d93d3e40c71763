import { setTimeout as sleep } from 'node:timers/promises';

import { systemError } from '../base/errors.js';
import type { DmaPieces, Fd, IommuInfo, IrqSet, MappingHandle, VfioKernel } from '../kernel/kernel.js';
import type { FaultChooser, Opportunity } from './fault-chooser.js';
import type { Fault, FaultKind, InjectedFault } from './fault.js';
import type { FaultyDevice } from './faulty-device.js';
import { dmaLimitErrno, FaultyDma, isMapCall } from './faulty-dma.js';
import { type FaultableCall, isFaultableCall, KERNEL_CALLS } from './kernel-calls.js';

/** What a wrapped kernel needs of its plan. */
export interface FaultyKernelHost {
  readonly chooser: FaultChooser;
  readonly faults: readonly Fault[];
  /** Records a fault that is injected now. */
  report(fault: InjectedFault): void;
  /** Notes a device that was opened. */
  openDevice(name: string, device: { readonly kernel: VfioKernel; readonly fd: Fd }): FaultyDevice;
  /** Forgets a device that was closed. */
  closed(device: FaultyDevice): void;
  /** Takes the reports of the plan's thread, so that a device that was removed is known to be. */
  drain(): void;
}

type Method = (...args: unknown[]) => unknown;

/** A kernel whose calls a plan makes fail. The plan wraps each kernel by a proxy that calls this. Thread: the plan's. */
export class FaultyKernel {
  readonly #kernel: VfioKernel;
  readonly #host: FaultyKernelHost;
  readonly #dma: FaultyDma;
  readonly #devices = new Map<Fd, FaultyDevice>();
  readonly #methods = new Map<PropertyKey, Method>();

  private constructor(kernel: VfioKernel, host: FaultyKernelHost) {
    this.#kernel = kernel;
    this.#host = host;
    this.#dma = new FaultyDma(host.faults);
  }

  /** Wraps a kernel. The wrapped kernel has the same methods, those of the kernel's class too. */
  static wrap<Kernel extends VfioKernel>(kernel: Kernel, host: FaultyKernelHost): Kernel {
    const faulty = new FaultyKernel(kernel, host);
    return new Proxy(kernel, { get: (target, name) => faulty.#property(target, name) });
  }

  #property(target: VfioKernel, name: PropertyKey): unknown {
    const value: unknown = Reflect.get(target, name, target);
    if (typeof value !== 'function') return value;
    const known = this.#methods.get(name);
    if (known !== undefined) return known;
    // A kernel that is a class keeps its state in private fields, which the proxy does not have.
    const method = value.bind(target) as Method;
    const replaced = this.#replacement(name, method);
    this.#methods.set(name, replaced);
    return replaced;
  }

  #replacement(name: PropertyKey, method: Method): Method {
    if (name === 'ioTarget') return (fd) => this.#devices.get(fd as Fd)?.ioTarget() ?? method(fd);
    if (!isFaultableCall(name)) return method;
    if (name !== 'openCdev') return (...args) => this.#call(name, method, args, this.#deviceOf(name, args));
    return async (...args) => this.#call(name, method, args, await this.#deviceOfCdev(String(args[0])));
  }

  /** Makes a call, or injects its fault. @param device the name of the device that it concerns */
  #call(call: FaultableCall, method: Method, args: unknown[], device: string | undefined): unknown {
    this.#host.drain();
    const open = this.#devices.get(args[0] as Fd);
    if (open?.removed === true && call in GONE) return GONE[call]?.(args, open.identity.name);
    const fault = this.#choose(call, args, device);
    if (fault !== undefined) this.#host.report(fault);
    if (fault?.errno !== undefined) return this.#fail(fault, () => this.#pass(call, method, args, device));
    if (call !== 'pread') {
      if (fault?.delayMs === undefined) return this.#pass(call, method, args, device);
      return sleep(fault.delayMs).then(() => this.#pass(call, method, args, device));
    }
    if (fault?.kind === 'all-ones') return Promise.resolve(allOnes(args));
    const read = method(...args) as Promise<Uint8Array>;
    return fault === undefined ? read : read.then((data) => data.subarray(0, Math.floor(data.length / 2)));
  }

  #choose(call: FaultableCall, args: readonly unknown[], device: string | undefined): InjectedFault | undefined {
    const opportunity: Opportunity = { call, device, explicitOnly: call === 'setIrqs' && !enables(args[1] as IrqSet) };
    const fault = this.#host.chooser.choose(KINDS[call] ?? (isMapCall(call) ? MAP_KINDS : OTHER_KINDS), opportunity);
    if (fault?.kind === 'dma-limit') return { ...fault, errno: dmaLimitErrno(call) };
    if (fault !== undefined || !this.#dma.isFull(call, args[0] as Fd)) return fault;
    return { kind: 'dma-limit', call, number: this.#host.chooser.count(opportunity), errno: dmaLimitErrno(call) };
  }

  /** Fails a call. A close(2) that fails closes the descriptor all the same. */
  #fail({ call, errno, device }: InjectedFault, pass: () => unknown): unknown {
    const { syscall, throws } = KERNEL_CALLS[call as FaultableCall];
    const error = systemError(errno ?? 'EIO', syscall, device === undefined ? {} : { device });
    if (throws === true) throw error;
    const closing = call === 'close' ? Promise.resolve(pass()) : Promise.resolve();
    return closing.then(() => Promise.reject(error));
  }

  /** Makes a call of the kernel and notes what it changes. */
  #pass(call: FaultableCall, method: Method, args: unknown[], device: string | undefined): unknown {
    const fd = args[0] as Fd;
    const open = this.#devices.get(fd);
    if (call === 'close') return this.#close(fd, method);
    if (call === 'setIrqs' && open !== undefined) {
      return open.setIrqs(args[1] as IrqSet, (set) => method(fd, set) as Promise<void>);
    }
    if (call === 'getIommuInfo') return this.#dma.limited(fd, method(...args) as IommuInfo);
    if (call === 'mapDmaPieces' || call === 'mapIoasPieces') {
      args = [...args.slice(0, -1), this.#dma.fitting(fd, args.at(-1) as DmaPieces)];
    }
    const result = method(...args);
    return result instanceof Promise ? result.then((value: unknown) => this.#note(call, args, value, device)) : result;
  }

  #note<T>(call: FaultableCall, args: readonly unknown[], result: T, device: string | undefined): T {
    this.#dma.note(call, args, result);
    if (call === 'mmap') this.#devices.get(args[0] as Fd)?.noteMapping(result as MappingHandle);
    if ((call === 'getDeviceFd' || call === 'openCdev') && device !== undefined) {
      const fd = result as Fd;
      this.#devices.set(fd, this.#host.openDevice(device, { kernel: this.#kernel, fd }));
    }
    return result;
  }

  async #close(fd: Fd, method: Method): Promise<void> {
    const open = this.#devices.get(fd);
    const close = async (): Promise<void> => {
      this.#devices.delete(fd);
      this.#dma.note('close', [fd], undefined);
      await method(fd);
    };
    if (open === undefined) return close();
    try {
      await open.close(close);
    } finally {
      this.#host.closed(open);
    }
  }

  /** Returns the name of the device that a call concerns: it opens the device, or has its descriptor. */
  #deviceOf(call: FaultableCall, args: readonly unknown[]): string | undefined {
    return call === 'getDeviceFd' ? String(args[1]) : this.#devices.get(args[0] as Fd)?.identity.name;
  }

  /** Returns the name of the device that has a node. */
  async #deviceOfCdev(node: string): Promise<string> {
    const target = await this.#kernel.sysfs.readlink(`/sys/class/vfio-dev/${node}/device`).catch(() => node);
    return target.slice(target.lastIndexOf('/') + 1);
  }
}

const OTHER_KINDS: readonly FaultKind[] = ['fail'];
const MAP_KINDS: readonly FaultKind[] = ['fail', 'dma-limit'];
const RESET_KINDS: readonly FaultKind[] = ['fail', 'reset-failed', 'reset-slow'];
const KINDS: Partial<Record<FaultableCall, readonly FaultKind[]>> = {
  pread: ['fail', 'all-ones', 'short-read'],
  resetDevice: RESET_KINDS,
  hotReset: RESET_KINDS,
};

/** The answers of a device that was removed. Reads return all ones, and writes are lost. */
const GONE: Partial<Record<FaultableCall, (args: readonly unknown[], device: string) => Promise<unknown>>> = {
  pread: (args) => Promise.resolve(allOnes(args)),
  pwrite: (args) => Promise.resolve((args[2] as Uint8Array).length),
  resetDevice: (_, device) => gone('resetDevice', device),
  hotReset: (_, device) => gone('hotReset', device),
  restoreMapping: (_, device) => gone('restoreMapping', device),
};

function gone(call: FaultableCall, device: string): Promise<never> {
  return Promise.reject(systemError('ENODEV', KERNEL_CALLS[call].syscall, { device }));
}

/** Returns the bytes of a read of (fd, offset, length) that no device answers. */
function allOnes([, , length]: readonly unknown[]): Uint8Array {
  return new Uint8Array(length as number).fill(0xff);
}

/** Tells whether a call turns interrupts on. To turn them off never fails on a healthy kernel. */
function enables({ eventfds = [] }: IrqSet): boolean {
  return eventfds.some((eventfd) => eventfd >= 0);
}
