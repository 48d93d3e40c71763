import { argumentError, LONGEST_WAIT_MS, requireNumber, requireString } from '../base/arguments.js';
import { systemError, VfioError } from '../base/errors.js';
import { ifFound } from '../kernel/hints.js';
import type { Sysfs } from '../kernel/sysfs.js';
import { parseDeviceId } from './device-id.js';
import { queryDriver } from './driver.js';
import { describeFileUsers } from './file-users.js';
import { queryGroup } from './iommu-group.js';
import { linuxSysfs } from './linux-sysfs.js';
import { requireSysfs } from './require-sysfs.js';
import { readText, sysfsError } from './sysfs-access.js';
import { findCdev, groupNodeName } from './vfio-nodes.js';

/** Where a function is bound, and how long each step may take. */
export interface BindTarget {
  /** The longest time of each step, for example while a user keeps the device; 0 to 2,147,483,647 ms, default 15,000. */
  readonly timeoutMs?: number;
  /** The /sys with the function. Default: that of this machine. A SoftwareMachine has its own in `machine.sysfs`. */
  readonly sysfs?: Sysfs;
}

const DEFAULT_BIND_TIMEOUT_MS = 15_000;
/** The text in driver_override if there is no override. */
const NO_OVERRIDE = '(null)';
/** The methods of a Sysfs that binding calls. */
const BIND_METHODS = ['readlink', 'readFile', 'readdir', 'writeSlowly', 'exists'] satisfies (keyof Sysfs)[];

/** A PCI function, with the steps of a bind: each reads or writes one file of /sys. Thread: any with an event loop. */
export class BindableFunction {
  private constructor(
    readonly name: string,
    private readonly folder: string,
    private readonly sysfs: Sysfs,
    private readonly timeoutMs: number,
  ) {}

  /** Finds a function. @throws (rejects) ERR_INVALID_ARGUMENT for a wrong argument; ENODEV if the function does not exist */
  static async find(device: string, options: BindTarget): Promise<BindableFunction> {
    const { sysfs = linuxSysfs, timeoutMs = DEFAULT_BIND_TIMEOUT_MS } = options;
    requireString('device', device);
    requireNumber('timeoutMs', timeoutMs, 0, LONGEST_WAIT_MS);
    requireSysfs(sysfs, BIND_METHODS);
    const id = parseDeviceId(device);
    if (id.kind !== 'pci') throw argumentError('device', 'the address of a PCI function, [dddd:]bb:dd.f', device);
    if (!(await sysfs.exists(id.sysfsPath))) {
      throw systemError('ENODEV', 'bind', {
        device: id.name,
        path: id.sysfsPath,
        hint: '`vfio-engine list` shows the devices of this machine',
      });
    }
    return new BindableFunction(id.name, id.sysfsPath, sysfs, timeoutMs);
  }

  /** Reads the name of the driver; null if there is none. */
  driver(): Promise<string | null> {
    return queryDriver(this.sysfs, this.folder);
  }

  /** @throws (rejects) ENODEV if the kernel has no PCI driver of this name */
  async requireDriver(driver: string): Promise<void> {
    const path = `/sys/bus/pci/drivers/${driver}`;
    if (/^[\w-]+$/.test(driver) && (await this.sysfs.exists(path))) return;
    const hint = `the kernel has no PCI driver ${driver}: load it, for example with \`modprobe ${driver}\``;
    throw systemError('ENODEV', 'bind', { device: this.name, path, hint });
  }

  /** Reads the driver_override; undefined if there is none. */
  async override(): Promise<string | undefined> {
    const text = await readText(this.sysfs, `${this.folder}/driver_override`);
    return text === undefined || text === NO_OVERRIDE || text === '' ? undefined : text;
  }

  /** Writes the driver_override. @param driver undefined removes it, by an empty line */
  setOverride(driver: string | undefined): Promise<void> {
    return this.#write(`${this.folder}/driver_override`, `${driver ?? ''}\n`);
  }

  /** Takes the driver away. Lists the nodes first: the kernel removes them before it waits for their users. */
  async unbind(): Promise<void> {
    const nodes = (await ifFound(() => this.#nodes())) ?? [];
    try {
      await this.#write(`${this.folder}/driver/unbind`, this.name);
    } catch (error) {
      if (error instanceof VfioError && error.code === 'ERR_TIMEOUT') throw await this.#stillInUse(error, nodes);
      throw error;
    }
  }

  /** Has the kernel bind the function to a driver: that of the override, or one that knows its ids. */
  probe(): Promise<void> {
    return this.#write('/sys/bus/pci/drivers_probe', this.name);
  }

  /** Makes the error for a driver that did not take the function. @param now the driver that it has instead */
  refusedBy(driver: string, now: string | null): VfioError {
    const hint = "the kernel's log (`dmesg`) says why";
    const message = `the driver ${driver} refused ${this.name}; its driver is ${now ?? 'none'}`;
    return new VfioError(message, { code: 'ENODEV', device: this.name, hint });
  }

  /** Every write can block: an unbind holds the lock of the function until the users of the device have closed it. */
  async #write(path: string, data: string): Promise<void> {
    try {
      await this.sysfs.writeSlowly(path, data, this.timeoutMs);
    } catch (error) {
      throw sysfsError(error, path);
    }
  }

  async #stillInUse(cause: VfioError, nodes: readonly string[]): Promise<VfioError> {
    const users = await describeFileUsers(nodes);
    const hint = `${users ?? 'a process that /proc does not show has the device open'}; the kernel waits for it without a limit`;
    const message = `${this.name} was still in use after ${this.timeoutMs} ms`;
    return new VfioError(message, { code: 'ERR_TIMEOUT', device: this.name, path: cause.path, hint, cause });
  }

  /** Lists the nodes through which a process can have the device. */
  async #nodes(): Promise<string[]> {
    // Without an IOMMU, a function has a group only while a VFIO driver has it.
    if (!(await this.sysfs.exists(`${this.folder}/iommu_group`))) return [];
    const group = groupNodeName(await queryGroup(this.sysfs, this.folder, this.name));
    const cdev = await findCdev(this.sysfs, this.folder);
    return [`/dev/vfio/${group}`, ...(cdev === undefined ? [] : [`/dev/vfio/devices/${cdev}`])];
  }
}
