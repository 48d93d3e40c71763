import { LONGEST_WAIT_MS, requireNumber, requireOptions, requireText } from '../base/arguments.js';
import { parseDeviceId } from './device-id.js';
import { invalidArgument, systemError, VfioError } from '../base/errors.js';
import { ifFound } from '../kernel/hints.js';
import { describeFileUsers } from './file-users.js';
import { queryDriver, queryGroup, readText, sysfsError } from './pci.js';
import { linuxSysfs } from './linux-sysfs.js';
import { requireSysfs } from './require-sysfs.js';
import type { Sysfs } from '../kernel/sysfs.js';
import { Unwinding } from '../base/unwinding.js';

/** How a function is to be bound. */
export interface BindOptions {
  /** The driver; default `vfio-pci`. */
  readonly driver?: string;
  /** How long each step may take, while a user keeps the device say; milliseconds up to 2^31 - 1, default 15,000. */
  readonly timeoutMs?: number;
  /** Where devices are; default this machine's /sys. A software machine's is `machine.sysfs`. */
  readonly sysfs?: Sysfs;
}

/** What `bindDriver` and `restoreDriver` changed. */
export interface DriverChange {
  /** The whole bdf. */
  readonly device: string;
  /** The driver that it had; null for none. */
  readonly before: string | null;
  /** The driver that it has. */
  readonly driver: string | null;
}

const DEFAULT_TIMEOUT_MS = 15_000;
/** What the kernel shows for no override. */
const NO_OVERRIDE = '(null)';
/** The methods of a Sysfs that binding calls. */
const SYSFS_METHODS = ['readlink', 'readFile', 'readdir', 'writeSlowly', 'exists'] satisfies (keyof Sysfs)[];
/** Drivers that are given to a device for VFIO's sake, and taken away again by `restoreDriver`. */
const DRIVERS_FOR_USERS = /vfio|^pci-stub$/;

/**
 * Binds a PCI function to a driver for user space by its driver_override, taking it from the driver that it has. When a
 * step fails, the function gets that driver back; not after ERR_TIMEOUT: the kernel then still takes the driver away, once
 * the user lets go, and the function has none.
 * @param device `[dddd:]bb:dd.f`
 * @throws ERR_INVALID_ARGUMENT for no PCI function and wrong options; ENODEV when it or the driver is not there, or the
 *   driver does not take it; ERR_TIMEOUT while a user keeps the device; EACCES without the right to
 * Thread: any with an event loop. Source: drivers/pci/pci-driver.c (driver_override), drivers/base/bus.c
 */
export async function bindDriver(device: string, options: BindOptions = {}): Promise<DriverChange> {
  requireOptions(options);
  const { driver = 'vfio-pci' } = options;
  requireText('driver', driver);
  const pci = await BindableFunction.find(device, options);
  await pci.requireDriver(driver);
  const before = await pci.driver();
  if (before === driver) return { device: pci.name, before, driver };
  const override = await pci.override();
  const undo = new Unwinding();
  try {
    await pci.setOverride(driver);
    undo.push(async () => {
      await pci.setOverride(override);
      if ((await pci.driver()) === null && before !== null) await pci.probe();
    });
    if (before !== null) await pci.unbind();
    await pci.probe();
    const now = await pci.driver();
    if (now !== driver) throw pci.refused(driver, now);
    return { device: pci.name, before, driver };
  } catch (error) {
    // While the kernel waits for a user it has the function locked, its override with it.
    if (error instanceof VfioError && error.code === 'ERR_TIMEOUT') throw error;
    throw await undo.failed(error);
  }
}

/**
 * Gives a PCI function back to the driver that the kernel chooses for it; none where no driver knows it.
 * @throws as `bindDriver`
 */
export async function restoreDriver(device: string, options: Omit<BindOptions, 'driver'> = {}): Promise<DriverChange> {
  requireOptions(options);
  const pci = await BindableFunction.find(device, options);
  const before = await pci.driver();
  await pci.setOverride(undefined);
  if (before !== null && !DRIVERS_FOR_USERS.test(before)) return { device: pci.name, before, driver: before };
  if (before !== null) await pci.unbind();
  await pci.probe();
  return { device: pci.name, before, driver: await pci.driver() };
}

/** Before anything is begun. @throws ERR_INVALID_ARGUMENT */
function checkBinding(device: string, sysfs: Sysfs, timeoutMs: number): void {
  requireText('device', device);
  requireNumber('timeoutMs', timeoutMs, 0, LONGEST_WAIT_MS);
  requireSysfs(sysfs, SYSFS_METHODS);
}

/** A function's folder in /sys, and what is done through it. */
class BindableFunction {
  private constructor(
    readonly name: string,
    private readonly folder: string,
    private readonly sysfs: Sysfs,
    private readonly timeoutMs: number,
  ) {}

  static async find(device: string, options: BindOptions): Promise<BindableFunction> {
    const { sysfs = linuxSysfs, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
    checkBinding(device, sysfs, timeoutMs);
    const id = parseDeviceId(device);
    if (id.kind !== 'pci') throw invalidArgument(`'${device}' is no PCI function`, 'give [dddd:]bb:dd.f');
    if (!(await sysfs.exists(id.sysfsPath))) {
      throw systemError('ENODEV', 'bind', {
        device: id.name,
        path: id.sysfsPath,
        hint: '`vfio-engine list` shows those that are there',
      });
    }
    return new BindableFunction(id.name, id.sysfsPath, sysfs, timeoutMs);
  }

  driver(): Promise<string | null> {
    return queryDriver(this.sysfs, this.folder);
  }

  async requireDriver(driver: string): Promise<void> {
    const path = `/sys/bus/pci/drivers/${driver}`;
    if (/^[\w-]+$/.test(driver) && (await this.sysfs.exists(path))) return;
    const hint = `the kernel has no PCI driver ${driver} now: load it, by \`modprobe ${driver}\` say`;
    throw systemError('ENODEV', 'bind', { device: this.name, path, hint });
  }

  async override(): Promise<string | undefined> {
    const text = await readText(this.sysfs, `${this.folder}/driver_override`);
    return text === undefined || text === NO_OVERRIDE || text === '' ? undefined : text;
  }

  /** @param driver undefined for none, which is an empty line */
  setOverride(driver: string | undefined): Promise<void> {
    return this.#write(`${this.folder}/driver_override`, `${driver ?? ''}\n`);
  }

  /** The nodes that a user has open are asked for first: the kernel takes them away before it waits for the user. */
  async unbind(): Promise<void> {
    const nodes = (await ifFound(() => this.#nodes())) ?? [];
    try {
      await this.#write(`${this.folder}/driver/unbind`, this.name);
    } catch (error) {
      if (error instanceof VfioError && error.code === 'ERR_TIMEOUT') throw await this.#stillUsed(error, nodes);
      throw error;
    }
  }

  probe(): Promise<void> {
    return this.#write('/sys/bus/pci/drivers_probe', this.name);
  }

  refused(driver: string, now: string | null): VfioError {
    const hint = "the kernel's log (`dmesg`) says why";
    const message = `${driver} did not take ${this.name}, which has ${now ?? 'no driver'}`;
    return new VfioError(message, { code: 'ENODEV', device: this.name, hint });
  }

  /** Any of the three may wait for the function's lock, which an unbinding holds until the device's users let go. */
  async #write(path: string, data: string): Promise<void> {
    try {
      await this.sysfs.writeSlowly(path, data, this.timeoutMs);
    } catch (error) {
      throw sysfsError(error, path);
    }
  }

  async #stillUsed(cause: VfioError, nodes: readonly string[]): Promise<VfioError> {
    const holders = await describeFileUsers(nodes);
    const hint = `${holders ?? 'a user of the device, who is not seen in /proc, keeps it'}; the kernel waits for that without end`;
    const message = `${this.name} was not let go of within ${this.timeoutMs} ms`;
    return new VfioError(message, { code: 'ERR_TIMEOUT', device: this.name, path: cause.path, hint, cause });
  }

  /** The files by which a process can have the device. */
  async #nodes(): Promise<string[]> {
    const folder = `${this.folder}/vfio-dev`;
    const cdevs = (await this.sysfs.exists(folder)) ? await this.sysfs.readdir(folder) : [];
    // Without an IOMMU only a function of VFIO's has a group.
    if (!(await this.sysfs.exists(`${this.folder}/iommu_group`))) return [];
    const { id, noiommu } = await queryGroup(this.sysfs, this.folder, this.name);
    return [`/dev/vfio/${noiommu ? 'noiommu-' : ''}${id}`, ...cdevs.map((name) => `/dev/vfio/devices/${name}`)];
  }
}
