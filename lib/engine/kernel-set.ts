import { systemError } from '../base/errors.js';
import type { VfioKernel } from '../kernel/kernel.js';
import { linuxKernel } from '../kernel/linux/linux.js';
import { defaultMachine } from '../software/machine/default-machine.js';
import type { SoftwareMachine } from '../software/machine/software-machine.js';
import { parseDeviceId } from '../sysfs/device-id.js';

/** A device, and the kernel that has it. */
export interface LocatedDevice {
  readonly kernel: VfioKernel;
  /** The name that the kernel uses: a whole bdf or a UUID. */
  readonly name: string;
  /** Its folder under /sys. */
  readonly sysfsPath: string;
}

/** The kernels in which an engine looks for a device, in order. */
export class KernelSet {
  readonly #kernels: readonly VfioKernel[];
  readonly #close: () => Promise<void>;

  private constructor(kernels: readonly VfioKernel[], close: () => Promise<void>) {
    this.#kernels = kernels;
    this.#close = close;
  }

  /** Uses kernels of the caller, who closes them. */
  static of(kernels: readonly VfioKernel[]): KernelSet {
    return new KernelSet(kernels, () => Promise.resolve());
  }

  /**
   * Uses the software core and then Linux.
   * @param machine default: the software machine of this process
   */
  static async standard(machine?: SoftwareMachine): Promise<KernelSet> {
    const software = (machine ?? (await defaultMachine())).process();
    return new KernelSet([software, linuxKernel()], () => software.exit());
  }

  /** Returns a set of the same kernels, each wrapped by a function. */
  wrapped(wrap: (kernel: VfioKernel) => VfioKernel): KernelSet {
    return new KernelSet(this.#kernels.map(wrap), this.#close);
  }

  /** Finds a device. @throws ERR_INVALID_ARGUMENT if `text` is not the name of a device; ENODEV if no kernel has it */
  async locate(text: string): Promise<LocatedDevice> {
    const given = parseDeviceId(text);
    for (const kernel of this.#kernels) {
      const alias = kernel.resolveName?.(text);
      const id = alias === undefined ? given : parseDeviceId(alias);
      if (id.kind === 'alias' || !(await kernel.sysfs.exists(id.sysfsPath))) continue;
      return { kernel, name: id.name, sysfsPath: id.sysfsPath };
    }
    throw systemError('ENODEV', 'attach', {
      device: text,
      hint: 'there is no such device: `vfio-engine list` shows the devices of this machine',
    });
  }

  /** Closes the kernels that this set created. */
  close(): Promise<void> {
    return this.#close();
  }
}
