import type { GroupDevice, KvmReference, VfioGroup } from './vfio-group.js';
import type { Binding } from '../iommufd/bound-device.js';
import type { IommufdContext } from '../iommufd/iommufd-context.js';
import type { Caller } from '../base/caller.js';
import type { GroupMember } from '../iommu/iommu-group.js';
import { type BindableDevice, CdevFile } from './cdev-file.js';
import { DeviceFile, type OpenableDevice } from './device-file.js';
import type { VfioDriver } from './vfio-driver.js';
import { Mutex } from '../../base/mutex.js';
import { failWith } from '../base/errno-failure.js';
import { logKernelWarning } from '../base/kernel-log.js';

/** The kernel repeats its request to the user after this time. Source: vfio_unregister_group_dev, HZ * 10 */
const REQUEST_INTERVAL_MS = 10_000;

/**
 * A device that is bound to a VFIO driver: registered in its group, and open any number of times.
 * Source: struct vfio_device
 */
export class VfioDevice implements GroupDevice, OpenableDevice, BindableDevice {
  /** Held while the device opens and closes. A model resets alone, so that each device is its own set. Source: dev_set */
  readonly #deviceSetLock = new Mutex();
  #registrations = 1;
  #openCount = 0;
  #kvm: KvmReference | null = null;
  /** What binds it to an iommufd while it is open; null for a device in a container, or without an IOMMU. */
  #binding: Binding | null = null;
  /** Whether the iommufd of its group, or of its own node, has it. */
  #usesIommufd = false;
  #unused!: () => void;
  readonly #completion = new Promise<void>((resolve) => {
    this.#unused = resolve;
  });

  constructor(
    private readonly member: GroupMember,
    readonly group: VfioGroup,
    readonly driver: VfioDriver,
    /** The number in the name of its node: `vfio0`. */
    readonly index: number,
  ) {}

  get name(): string {
    return this.member.name;
  }

  /** Whether it has a node of its own. A device without an IOMMU has none. */
  get hasCdev(): boolean {
    return !this.group.noiommu;
  }

  /** Opens its own node. @throws ENODEV if it is unregistered */
  openCdev(): CdevFile {
    return this.tryGetRegistration() ? new CdevFile(this) : failWith('ENODEV');
  }

  get enforcesCoherency(): boolean {
    return this.member.enforcesCoherency;
  }

  match(argument: string): boolean {
    return this.driver.match(argument);
  }

  /** Adds the device to its group. The kernel adds new devices at the head of its list. */
  async register(): Promise<void> {
    await this.group.deviceLock.run(() => {
      this.group.devices.unshift(this);
    });
  }

  /** Removes the device from its group, asks its user to close it, and waits until it is closed. */
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

  tryGetRegistration(): boolean {
    if (this.#registrations === 0) return false;
    this.#registrations += 1;
    return true;
  }

  putRegistration(): void {
    this.#registrations -= 1;
    if (this.#registrations === 0) this.#unused();
  }

  async open(caller: Caller): Promise<DeviceFile> {
    // The release of the group's file takes the group's lock, so that it runs after the lock is released.
    const afterwards: (() => Promise<void>)[] = [];
    try {
      await this.group.lock.run(() => {
        if (!this.group.hasIommu) failWith('EINVAL');
        return this.#deviceSetLock.run(async () => {
          if (this.#openCount === 0) await this.#firstOpenByGroup(caller, afterwards);
          this.#openCount += 1;
        });
      });
      if (this.group.noiommu) logKernelWarning(this.name, 'vfio-noiommu device opened by user');
      return new DeviceFile(this);
    } finally {
      for (const step of afterwards) await step();
    }
  }

  async bindIommufd(iommufd: () => IommufdContext, bound: (context: IommufdContext) => void): Promise<number> {
    await this.group.blockOpen();
    try {
      return await this.#deviceSetLock.run(async () => {
        const context = iommufd();
        if (this.#openCount > 0) failWith('EINVAL');
        await this.#firstOpen(() => this.#bindTo(context), []);
        this.#openCount = 1;
        bound(context.get());
        return this.#binding?.id ?? 0;
      });
    } catch (error) {
      await this.group.unblockOpen();
      throw error;
    }
  }

  async unbindIommufd(context: IommufdContext): Promise<void> {
    try {
      await this.#deviceSetLock.run(() => this.#lastClose([]));
    } finally {
      await context.put();
      await this.group.unblockOpen();
    }
  }

  attachPageTable(id: number): Promise<number> {
    return this.#deviceSetLock.run(() => this.#binding?.attach(id) ?? failWith('EINVAL'));
  }

  detachPageTable(): Promise<void> {
    return this.#deviceSetLock.run(() => this.#binding?.detach());
  }

  async close(): Promise<void> {
    const afterwards: (() => Promise<void>)[] = [];
    try {
      await this.group.lock.run(() =>
        this.#deviceSetLock.run(async () => {
          if (this.#openCount > 1) this.#openCount -= 1;
          else await this.#lastClose(afterwards);
        }),
      );
    } finally {
      this.putRegistration();
      for (const step of afterwards) await step();
    }
  }

  /** Opens the device for a user of its group. @param afterwards gets what is to be done after the locks are released */
  async #firstOpenByGroup(caller: Caller, afterwards: (() => Promise<void>)[]): Promise<void> {
    const { iommufd } = this.group;
    if (iommufd === null) return this.#firstOpen(() => this.group.useContainer(caller), afterwards);
    // A user that has an IOAS expects translation.
    if (this.group.noiommu && (!caller.capSysRawio || iommufd.compat.hasIoas)) failWith('EPERM');
    await this.#firstOpen(() => this.#bindTo(iommufd), afterwards);
    if (this.#binding === null) return;
    try {
      await this.#binding.attach(iommufd.compat.ioasId);
    } catch (error) {
      this.#openCount = 1;
      await this.#lastClose(afterwards);
      throw error;
    }
  }

  async #firstOpen(useIommu: () => void, afterwards: (() => Promise<void>)[]): Promise<void> {
    if (this.group.kvm?.tryGet() === true) this.#kvm = this.group.kvm;
    try {
      useIommu();
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

  async #lastClose(afterwards: (() => Promise<void>)[]): Promise<void> {
    this.#openCount = 0;
    try {
      await this.driver.close();
    } finally {
      afterwards.push(await this.#unuseIommu());
      this.#putKvm();
    }
  }

  #bindTo(context: IommufdContext): void {
    this.#binding = context.bind(this.member, this.group.presentIommuGroup, this.group.type);
    this.#usesIommufd = true;
  }

  /** @returns a function that drops the group's file, to be run after the group's lock is released */
  async #unuseIommu(): Promise<() => Promise<void>> {
    if (!this.#usesIommufd) return this.group.unuseContainer();
    const binding = this.#binding;
    this.#binding = null;
    this.#usesIommufd = false;
    await binding?.unbind();
    return () => Promise.resolve();
  }

  #putKvm(): void {
    this.#kvm?.put();
    this.#kvm = null;
  }
}
