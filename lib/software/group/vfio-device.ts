import type { DeviceInfo, IoTarget, IrqInfo, IrqSet, MappingHandle, RegionInfo } from '../../kernel/kernel.js';
import { Counted } from '../counted.js';
import type { VfioGroup } from './group.js';
import type { IommufdContext } from './iommufd-compat.js';
import type { MachineDevice } from '../machine/machine-device.js';
import { Mutex } from '../mutex.js';
import type { SoftwareProcess } from '../machine/process.js';
import { refuse } from '../refusal.js';
import { warn } from '../warnings.js';

/** A virtual machine of KVM's, as a device sees it: something to hold while it is open. */
export interface KvmReference {
  /** Takes a reference. @returns false when the virtual machine is going away */
  tryGet(): boolean;
  put(): void;
}

/** What a VFIO driver does for its device, whose calls are those of `VfioKernel`. Source: struct vfio_device_ops */
export interface VfioDriver {
  getInfo(argsz: number | undefined): DeviceInfo;
  getRegionInfo(regionIndex: number, argsz: number | undefined): RegionInfo;
  getIrqInfo(irqIndex: number, argsz: number | undefined): IrqInfo;
  setIrqs(set: IrqSet): Promise<void>;
  reset(): Promise<void>;
  read(fileOffset: bigint, length: number): Promise<Uint8Array>;
  write(fileOffset: bigint, data: Uint8Array): Promise<number>;
  map(fileOffset: bigint, length: number, prot: { read: boolean; write: boolean }): MappingHandle;
  readonly ioTarget: IoTarget;

  /** Compares the argument of GET_DEVICE_FD. @throws Refusal */
  match(argument: string): boolean;
  /** The first open. */
  open(): Promise<void>;
  /** The last close. */
  close(): Promise<void>;
  /** Asks the user to let go: the device is to be unregistered. */
  request(): void;
}

/** The kernel asks a user again after this time. Source: vfio_unregister_group_dev, HZ * 10 */
const REQUEST_INTERVAL_MS = 10_000;

/** A device bound to a VFIO driver: registered in its group, opened any number of times. Source: struct vfio_device */
export class VfioDevice {
  /** Held while the devices that reset together open and close. */
  readonly deviceSetLock = new Mutex();
  #registrations = 1;
  #openCount = 0;
  #kvm: KvmReference | null = null;
  /** The iommufd that stood for a container at the first open; the group may let it go before the device does. */
  #iommufd: IommufdContext | null = null;
  #unused!: () => void;
  readonly #completion = new Promise<void>((resolve) => {
    this.#unused = resolve;
  });

  constructor(
    readonly device: MachineDevice,
    readonly group: VfioGroup,
    readonly driver: VfioDriver,
  ) {}

  get openCount(): number {
    return this.#openCount;
  }

  /** The virtual machine that the device holds while it is open. */
  get kvm(): KvmReference | null {
    return this.#kvm;
  }

  async register(): Promise<void> {
    await this.group.deviceLock.run(() => {
      this.group.devices.unshift(this);
    });
  }

  /** Takes the device out of its group, asks its users to close it and waits until they have. */
  async unregister(): Promise<void> {
    await this.group.deviceLock.run(() => {
      this.group.devices.splice(this.group.devices.indexOf(this), 1);
    });
    this.putRegistration();
    if (this.#registrations > 0) this.driver.request();
    const again = setInterval(() => this.driver.request(), REQUEST_INTERVAL_MS);
    again.unref();
    await this.#completion;
    clearInterval(again);
  }

  /** @returns false when the device is unregistered and nobody uses it */
  tryGetRegistration(): boolean {
    if (this.#registrations === 0) return false;
    this.#registrations += 1;
    return true;
  }

  putRegistration(): void {
    this.#registrations -= 1;
    if (this.#registrations === 0) this.#unused();
  }

  /** Opens the device; the caller holds a registration, which goes to the file. @throws EINVAL, EPERM, the driver's */
  async open(caller: SoftwareProcess): Promise<DeviceFile> {
    // The group's file is dropped after the group's lock, which its release takes.
    const afterwards: (() => Promise<void>)[] = [];
    try {
      await this.group.lock.run(() => {
        if (!this.group.hasIommu) refuse('EINVAL');
        return this.deviceSetLock.run(async () => {
          if (this.#openCount === 0) await this.#firstOpen(caller, afterwards);
          this.#openCount += 1;
        });
      });
      if (this.group.noiommu) warn(this.device.name, 'vfio-noiommu device opened by user');
      return new DeviceFile(this);
    } finally {
      for (const step of afterwards) await step();
    }
  }

  /** A file of the device was closed for the last time. */
  async close(): Promise<void> {
    const afterwards: (() => Promise<void>)[] = [];
    try {
      await this.#lastClose(afterwards);
    } finally {
      this.putRegistration();
      for (const step of afterwards) await step();
    }
  }

  #lastClose(afterwards: (() => Promise<void>)[]): Promise<void> {
    return this.group.lock.run(() =>
      this.deviceSetLock.run(async () => {
        this.#openCount -= 1;
        if (this.#openCount > 0) return;
        try {
          await this.driver.close();
        } finally {
          afterwards.push(await this.#unuseIommu());
          this.#putKvm();
        }
      }),
    );
  }

  async #firstOpen(caller: SoftwareProcess, afterwards: (() => Promise<void>)[]): Promise<void> {
    if (this.group.kvm?.tryGet() === true) this.#kvm = this.group.kvm;
    try {
      await this.#useIommu(caller);
      try {
        await this.driver.open();
      } catch (error) {
        afterwards.push(await this.#unuseIommu());
        throw error;
      }
    } catch (error) {
      this.#putKvm();
      throw error;
    }
  }

  async #useIommu(caller: SoftwareProcess): Promise<void> {
    const { group } = this;
    if (group.iommufd === null) {
      group.useContainer(caller);
      return;
    }
    await group.iommufd.attachGroup(group, caller);
    this.#iommufd = group.iommufd.get();
  }

  /** @returns what drops the group's file */
  async #unuseIommu(): Promise<() => Promise<void>> {
    const iommufd = this.#iommufd;
    if (iommufd === null) return this.group.unuseContainer();
    this.#iommufd = null;
    await iommufd.detachGroup(this.group);
    await iommufd.put();
    return () => Promise.resolve();
  }

  #putKvm(): void {
    this.#kvm?.put();
    this.#kvm = null;
  }
}

/** An open device: its descriptors hold it. */
export class DeviceFile extends Counted {
  readonly kind = 'device';

  constructor(readonly vfioDevice: VfioDevice) {
    super();
  }

  protected override release(): Promise<void> {
    return this.vfioDevice.close();
  }
}
