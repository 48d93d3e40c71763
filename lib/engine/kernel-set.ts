import { parseDeviceId } from '../sysfs/device-id.js';
import { systemError } from '../base/errors.js';
import type { VfioKernel } from '../kernel/kernel.js';
import { linuxKernel } from '../kernel/linux/linux.js';
import type { SoftwareMachine } from '../software/machine/software-machine.js';

/** A device, and the kernel that has it. */
export interface LocatedDevice {
  readonly kernel: VfioKernel;
  readonly name: string;
  readonly sysfsPath: string;
}

/** The kernels that an engine asks for a device, in their order. */
export class KernelSet {
  readonly #kernels: readonly VfioKernel[];
  readonly #close: () => Promise<void>;

  private constructor(kernels: readonly VfioKernel[], close: () => Promise<void>) {
    this.#kernels = kernels;
    this.#close = close;
  }

  /** Takes the user's kernels, which stay the user's to close. */
  static of(kernels: readonly VfioKernel[]): KernelSet {
    return new KernelSet(kernels, () => Promise.resolve());
  }

  /** Makes a process on a software machine (by default the one of this process) and adds the real kernel. */
  static async standard(machine?: SoftwareMachine): Promise<KernelSet> {
    const software = (machine ?? (await standardMachine())).process();
    return new KernelSet([software, linuxKernel()], () => software.exit());
  }

  /** Finds a device. @throws ERR_INVALID_ARGUMENT for no device's name, ENODEV for one that no kernel has */
  async locate(text: string): Promise<LocatedDevice> {
    const asked = parseDeviceId(text);
    for (const kernel of this.#kernels) {
      const alias = kernel.resolveName?.(text);
      const id = alias === undefined ? asked : parseDeviceId(alias);
      if (id.kind === 'alias' || !(await kernel.sysfs.exists(id.sysfsPath))) continue;
      return { kernel, name: id.name, sysfsPath: id.sysfsPath };
    }
    throw systemError('ENODEV', 'attach', {
      device: text,
      hint: 'there is no such device: `vfio-engine list` shows the devices of this machine',
    });
  }

  /** Ends what was made here. */
  close(): Promise<void> {
    return this.#close();
  }
}

/** Loads the software core where it is needed alone: real devices do without. */
async function standardMachine(): Promise<SoftwareMachine> {
  const { defaultMachine } = await import('../software/machine/default-machine.js');
  return defaultMachine();
}
