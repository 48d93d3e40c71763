import { requireString } from '../../base/arguments.js';
import { addon } from '../../native/addon.js';
import { PAGE_SIZE_BIGINT } from '../../native/page-size.js';
import type { Sysfs } from '../../kernel/sysfs.js';
import { checkDeviceOptions, checkMachineOptions, checkProcessOptions } from './check-options.js';
import { bindVfio, unbindVfio, type DriverCore } from './binding.js';
import { VfioContainer } from '../container/vfio-container.js';
import { DescriptorNumbers } from './descriptor-numbers.js';
import { NativeDomain } from '../iommu/domain.js';
import type { VfioDevice } from '../group/vfio-device.js';
import type { VfioGroup } from '../group/vfio-group.js';
import { noiommuType } from '../container/noiommu-driver.js';
import type { IommuDriverType } from '../iommu/iommu-driver.js';
import { IommuGroup } from '../iommu/iommu-group.js';
import { IommufdContext, type IommufdEnvironment } from '../iommufd/iommufd-context.js';
import { MemoryPinning } from '../iommu/memory-pinning.js';
import type { CdevFile } from '../group/cdev-file.js';
import { MachineDevice } from './machine-device.js';
import { Mutex } from '../../base/mutex.js';
import {
  machineSettings,
  type DeviceOptions,
  type MachineOptions,
  type MachineSettings,
  type ProcessOptions,
} from './machine-options.js';
import { SoftwareProcess } from './software-process.js';
import { runSyscallAsync, failWith } from '../base/errno-failure.js';
import { lowestFree } from '../base/lowest-free.js';
import { softwareSysfs } from './sysfs.js';
import { type1Type, type Type1Environment } from '../type1/type1.js';

/** Drivers that do not use their device's DMA, so that its group stays viable. Source: driver_managed_dma */
const DRIVERS_WITHOUT_DMA = new Set(['pci-stub', 'pcieport']);
/** The VFIO drivers. */
const VFIO_DRIVERS = new Set(['vfio-pci', 'vfio_mdev']);

/**
 * A simulated machine: devices, IOMMU groups and drivers, all in this process. Its processes are kernel objects.
 * Thread: the one that made it.
 */
export class SoftwareMachine {
  /** The options with their defaults. @internal */
  readonly settings: MachineSettings;
  /** The machine's /sys. */
  readonly sysfs: Sysfs;
  /** @internal */
  readonly descriptorNumbers = new DescriptorNumbers();
  /** @internal */
  readonly devices = new Map<string, MachineDevice>();
  /** @internal */
  readonly iommuGroups = new Map<number, IommuGroup>();
  /** The drivers that have a folder in sysfs. @internal */
  readonly drivers = new Set<string>(['vfio-pci']);
  readonly #core: DriverCore;
  readonly #aliases = new Map<string, string>();
  readonly #processes = new Set<SoftwareProcess>();
  readonly #containers = new Set<VfioContainer>();
  readonly #types: readonly IommuDriverType[];
  readonly #iommufd: IommufdEnvironment;

  /** Makes a machine without devices. @throws ERR_INVALID_ARGUMENT */
  constructor(options: MachineOptions = {}) {
    checkMachineOptions(options);
    this.settings = machineSettings(options);
    const type1: Type1Environment = {
      settings: this.settings,
      createDomain: options.createDomain ?? ((): NativeDomain => new NativeDomain()),
      probeMemory: options.probeMemory ?? ((vaddr, size, write) => addon.memoryProbe(vaddr, size, write)),
    };
    this.#types = [noiommuType(this.settings.noiommu), type1Type(type1)];
    const pinning = new MemoryPinning(type1.probeMemory, PAGE_SIZE_BIGINT);
    this.#iommufd = { settings: this.settings, createDomain: type1.createDomain, pinning };
    this.#core = {
      noiommu: this.settings.noiommu,
      lock: new Mutex(),
      vfioGroups: new Map(),
      vfioDevices: new Map(),
      createIommuGroup: () => this.#createIommuGroup(),
      dropIommuGroup: (group) => this.iommuGroups.delete(group.id),
    };
    this.sysfs = softwareSysfs(this);
  }

  /** How many containers exist: each is open, or holds a group. @internal */
  get containerCount(): number {
    return this.#containers.size;
  }

  /**
   * Adds a device and binds its driver.
   * @throws ERR_INVALID_ARGUMENT, also if the model's module has no `PciModel`; EEXIST if the name is taken; the errors of
   *   `bindDriver`, and the device is then in the machine without a driver
   */
  async addDevice(options: DeviceOptions): Promise<void> {
    checkDeviceOptions(options);
    return runSyscallAsync('addDevice', { device: options.name }, async () => {
      if (this.devices.has(options.name)) failWith('EEXIST');
      const device = await MachineDevice.create(options, this.settings);
      this.devices.set(device.name, device);
      this.#joinGroup(device);
      const driver = options.driver === undefined ? defaultDriver(device) : options.driver;
      if (driver !== null) await this.#bind(device, driver);
    });
  }

  /**
   * Removes a device, as a hot unplug does. Waits until its users have closed it.
   * @throws ENODEV, ERR_INVALID_ARGUMENT if `name` is not a string
   */
  async removeDevice(name: string): Promise<void> {
    requireString('name', name);
    return runSyscallAsync('removeDevice', { device: name }, async () => {
      const device = this.device(name);
      await device.lock.run(() => this.#unbindLocked(device));
      if (!this.devices.delete(device.name)) failWith('ENODEV');
      this.#leaveGroup(device);
      await device.stop();
    });
  }

  /**
   * Binds a driver to a device.
   * @param driver the name of a driver: `vfio-pci`, `vfio_mdev`, or any other, which then owns the device's DMA
   * @throws ENODEV, EBUSY if the device has a driver or a user owns the DMA of its group, EINVAL for a VFIO driver if the
   *   device has no IOMMU group; ERR_INVALID_ARGUMENT
   */
  async bindDriver(name: string, driver: string): Promise<void> {
    requireString('name', name);
    requireString('driver', driver);
    return runSyscallAsync('bind', { device: name }, () => this.#bind(this.device(name), driver));
  }

  /**
   * Unbinds the driver of a device. Waits until its users have closed the device.
   * @throws ENODEV if it has no driver, ERR_INVALID_ARGUMENT if `name` is not a string
   */
  async unbindDriver(name: string): Promise<void> {
    requireString('name', name);
    return runSyscallAsync('unbind', { device: name }, () => this.#unbind(this.device(name)));
  }

  /** Returns the name of the device that an alias stands for, other names unchanged. */
  resolve(name: string): string {
    return this.#aliases.get(name) ?? name;
  }

  /** Gives a device a short name, which `Engine.attach` accepts. @throws ERR_INVALID_ARGUMENT */
  setAlias(alias: string, name: string): void {
    requireString('alias', alias);
    requireString('name', name);
    this.#aliases.set(alias, name);
  }

  /** Returns a device by its name or its alias. @throws ENODEV @internal */
  device(name: string): MachineDevice {
    return this.devices.get(this.resolve(name)) ?? failWith('ENODEV');
  }

  /** Starts a process: a kernel for an engine. `exit` ends it. @throws ERR_INVALID_ARGUMENT */
  process(options: ProcessOptions = {}): SoftwareProcess {
    checkProcessOptions(options);
    const process = SoftwareProcess.create(this, options);
    this.#processes.add(process);
    return process;
  }

  /** Forgets a process that ended. @internal */
  forget(process: SoftwareProcess): void {
    this.#processes.delete(process);
  }

  /** Ends all processes and removes all devices. */
  async close(): Promise<void> {
    for (const process of [...this.#processes]) await process.exit();
    for (const device of [...this.devices.values()]) {
      await device.lock.run(() => this.#unbindLocked(device));
      // The lock may have been awaited by a call of removeDevice, which has then removed the device.
      if (this.devices.has(device.name)) await this.removeDevice(device.name);
    }
  }

  /** @internal */
  vfioGroup(name: string): VfioGroup | undefined {
    return [...this.#core.vfioGroups.values()].find((group) => group.name === name);
  }

  /** @internal */
  createContainer(): VfioContainer {
    const container = new VfioContainer(this.#types, (released) => this.#containers.delete(released));
    this.#containers.add(container);
    return container;
  }

  /** @internal */
  createIommufd(): IommufdContext {
    return this.settings.iommufd ? new IommufdContext(this.#iommufd) : failWith('ENOENT');
  }

  /** Opens /dev/vfio/devices/NAME. @throws ENOENT, ENODEV @internal */
  openCdev(name: string): CdevFile {
    const device = this.settings.iommufd ? this.#cdevs().get(name) : undefined;
    return device?.openCdev() ?? failWith('ENOENT');
  }

  /** The devices that have nodes of their own, by the names of the nodes. */
  #cdevs(): Map<string, VfioDevice> {
    const devices = [...this.#core.vfioDevices.values()].filter(({ hasCdev }) => hasCdev);
    return new Map(devices.map((device) => [`vfio${device.index}`, device]));
  }

  #bind(device: MachineDevice, driver: string): Promise<void> {
    return device.lock.run(async () => {
      if (device.driver !== null) failWith('EBUSY');
      if (VFIO_DRIVERS.has(driver)) await bindVfio(this.#core, device);
      else if (!DRIVERS_WITHOUT_DMA.has(driver)) device.iommuGroup?.useDefaultDomain();
      this.drivers.add(driver);
      device.driver = driver;
    });
  }

  #unbind(device: MachineDevice): Promise<void> {
    return device.lock.run(() => {
      if (device.driver === null) failWith('ENODEV');
      return this.#unbindLocked(device);
    });
  }

  async #unbindLocked(device: MachineDevice): Promise<void> {
    if (device.driver === null) return;
    if (device.vfio !== null) await unbindVfio(this.#core, device);
    else if (!DRIVERS_WITHOUT_DMA.has(device.driver)) device.iommuGroup?.unuseDefaultDomain();
    device.driver = null;
  }

  /** Puts a PCI device into its IOMMU group. Without an IOMMU, and for a mediated device, the VFIO driver makes a group. */
  #joinGroup(device: MachineDevice): void {
    if (!this.settings.iommu || device.mediated) return;
    const id = device.options.group;
    const group = (id === undefined ? undefined : this.iommuGroups.get(id)) ?? this.#createIommuGroup(id);
    group.devices.push(device);
    device.iommuGroup = group;
  }

  #leaveGroup(device: MachineDevice): void {
    const group = device.iommuGroup;
    if (group === null) return;
    group.devices.splice(group.devices.indexOf(device), 1);
    device.iommuGroup = null;
    if (group.devices.length === 0) this.iommuGroups.delete(group.id);
  }

  #createIommuGroup(wanted?: number): IommuGroup {
    const id = wanted ?? lowestFree(this.iommuGroups);
    const group = new IommuGroup(id, this.settings);
    this.iommuGroups.set(id, group);
    return group;
  }
}

function defaultDriver(device: MachineDevice): string | null {
  if (!device.canRun) return null;
  return device.mediated ? 'vfio_mdev' : 'vfio-pci';
}
