import { addon } from '../../native/addon.js';
import type { Sysfs } from '../../kernel/sysfs.js';
import { bindVfio, unbindVfio, type DriverCore } from './binding.js';
import { Container } from '../container/container.js';
import { Placeholders } from './descriptors.js';
import { NativeDomain } from '../iommu/domain.js';
import type { VfioGroup } from '../group/group.js';
import { noiommuType, type IommuDriverType } from '../container/iommu-driver.js';
import { IommuGroup } from '../group/iommu-group.js';
import { IommufdContext } from '../group/iommufd-compat.js';
import { MachineDevice, type DeviceIdentity } from './machine-device.js';
import { ModelRunner } from '../pci/model-runner.js';
import { Mutex } from '../mutex.js';
import { machineSettings, type DeviceOptions, type MachineOptions, type ProcessOptions } from './options.js';
import { SoftwareProcess } from './process.js';
import { answerLater, refuse } from '../refusal.js';
import { softwareSysfs } from './sysfs.js';
import { Type1, type1Type, type Type1Environment } from '../type1/type1.js';

/** Ordinary drivers that leave their device's DMA to others. Source: driver_managed_dma */
const DRIVERS_WITHOUT_DMA = new Set(['pci-stub', 'pcieport']);
/** The drivers whose devices VFIO groups open. */
const VFIO_DRIVERS = new Set(['vfio-pci', 'vfio_mdev']);

/**
 * A machine of the software core: devices, IOMMU groups and drivers, all in this process. Its processes are kernel
 * objects; `close` ends them and everything they opened. Thread: the one that made it.
 */
export class SoftwareMachine {
  readonly settings;
  readonly sysfs: Sysfs;
  readonly placeholders = new Placeholders();
  readonly devices = new Map<string, MachineDevice>();
  readonly iommuGroups = new Map<number, IommuGroup>();
  /** Drivers that have a folder in sysfs. */
  readonly drivers = new Set<string>(['vfio-pci']);
  readonly #core: DriverCore;
  readonly #aliases = new Map<string, string>();
  readonly #processes = new Set<SoftwareProcess>();
  readonly #containers = new Set<Container>();
  readonly #types: readonly IommuDriverType[];
  readonly #type1: Type1Environment;

  constructor(options: MachineOptions = {}) {
    this.settings = machineSettings(options);
    this.#type1 = {
      settings: this.settings,
      createDomain: options.createDomain ?? ((): NativeDomain => new NativeDomain()),
      probeMemory: options.probeMemory ?? ((vaddr, size, write) => addon.memoryProbe(vaddr, size, write)),
    };
    this.#types = [noiommuType(this.settings.noiommu), type1Type(this.#type1)];
    this.#core = {
      noiommu: this.settings.noiommu,
      lock: new Mutex(),
      vfioGroups: new Map(),
      createIommuGroup: () => this.#createIommuGroup(),
      dropIommuGroup: (group) => this.iommuGroups.delete(group.id),
    };
    this.sysfs = softwareSysfs(this);
  }

  /** How many containers live: open, or held by a group. */
  get containerCount(): number {
    return this.#containers.size;
  }

  /** Adds a device and binds it. @throws EEXIST, and what binding throws */
  async addDevice(options: DeviceOptions): Promise<MachineDevice> {
    return answerLater('addDevice', { device: options.name }, async () => {
      if (this.devices.has(options.name)) refuse('EEXIST');
      const runner = await ModelRunner.of(options);
      const device = new MachineDevice(options, options.identity ?? runner?.identity ?? UNKNOWN, this.settings, runner);
      this.devices.set(device.name, device);
      this.#joinGroup(device);
      const driver = options.driver === undefined ? defaultDriver(device) : options.driver;
      if (driver !== null) await this.#bind(device, driver);
      return device;
    });
  }

  /** Takes a device away, as a hot unplug: waits until its users have closed it. @throws ENODEV */
  async removeDevice(name: string): Promise<void> {
    return answerLater('removeDevice', { device: name }, async () => {
      const device = this.device(name);
      await device.lock.run(() => this.#unbindLocked(device));
      if (!this.devices.delete(device.name)) refuse('ENODEV');
      this.#leaveGroup(device);
      await device.runner?.stop();
    });
  }

  /** Binds a device to a driver. @throws EBUSY when it has one, or when a user owns its group's DMA; EINVAL, ENODEV */
  async bindDriver(name: string, driver: string): Promise<void> {
    return answerLater('bind', { device: name }, () => this.#bind(this.device(name), driver));
  }

  /** Takes a device's driver away: waits until the driver's users have closed it. @throws ENODEV */
  async unbindDriver(name: string): Promise<void> {
    return answerLater('unbind', { device: name }, () => this.#unbind(this.device(name)));
  }

  /** Gives a device's whole name for an alias; other names stay as they are. */
  resolve(name: string): string {
    return this.#aliases.get(name) ?? name;
  }

  setAlias(alias: string, name: string): void {
    this.#aliases.set(alias, name);
  }

  /** @throws ENODEV */
  device(name: string): MachineDevice {
    return this.devices.get(this.resolve(name)) ?? refuse('ENODEV');
  }

  /** Starts a process. */
  process(options: ProcessOptions = {}): SoftwareProcess {
    const process = new SoftwareProcess(this, options);
    this.#processes.add(process);
    return process;
  }

  /** A process ended. */
  forget(process: SoftwareProcess): void {
    this.#processes.delete(process);
  }

  /** Ends all processes and all devices. */
  async close(): Promise<void> {
    for (const process of [...this.#processes]) await process.exit();
    for (const device of [...this.devices.values()]) {
      await device.lock.run(() => this.#unbindLocked(device));
      // Somebody else may have been waiting to take it away.
      if (this.devices.has(device.name)) await this.removeDevice(device.name);
    }
  }

  vfioGroup(name: string): VfioGroup | undefined {
    return [...this.#core.vfioGroups.values()].find((group) => group.name === name);
  }

  createContainer(): Container {
    const container = new Container(this.#types, (released) => this.#containers.delete(released));
    this.#containers.add(container);
    return container;
  }

  createIommufd(): IommufdContext {
    return new IommufdContext(this.settings.iommufdCompat, () => new Type1(this.#type1, 'compat'));
  }

  #bind(device: MachineDevice, driver: string): Promise<void> {
    return device.lock.run(async () => {
      if (device.driver !== null) refuse('EBUSY');
      if (VFIO_DRIVERS.has(driver)) await bindVfio(this.#core, device);
      else if (!DRIVERS_WITHOUT_DMA.has(driver)) device.iommuGroup?.useDefaultDomain();
      this.drivers.add(driver);
      device.driver = driver;
    });
  }

  #unbind(device: MachineDevice): Promise<void> {
    return device.lock.run(() => {
      if (device.driver === null) refuse('ENODEV');
      return this.#unbindLocked(device);
    });
  }

  async #unbindLocked(device: MachineDevice): Promise<void> {
    if (device.driver === null) return;
    if (device.vfio !== null) await unbindVfio(this.#core, device);
    else if (!DRIVERS_WITHOUT_DMA.has(device.driver)) device.iommuGroup?.unuseDefaultDomain();
    device.driver = null;
  }

  /** A PCI device has a group of the IOMMU's; without an IOMMU, or for a mediated device, the driver makes one. */
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
    let id = wanted ?? 0;
    while (wanted === undefined && this.iommuGroups.has(id)) id += 1;
    const group = new IommuGroup(id, this.settings);
    this.iommuGroups.set(id, group);
    return group;
  }
}

const UNKNOWN: DeviceIdentity = { vendorId: 0xffff, deviceId: 0xffff, classCode: 0 };

function defaultDriver(device: MachineDevice): string | null {
  if (device.runner === null) return null;
  return device.mediated ? 'vfio_mdev' : 'vfio-pci';
}
