import type { GroupDevice, KvmReference, VfioGroup } from './vfio-group.js';
import type { IommufdContext } from '../container/iommufd-compat.js';
import type { Caller } from '../base/caller.js';
import type { GroupMember } from '../iommu/iommu-group.js';
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
export class VfioDevice implements GroupDevice, OpenableDevice {
  /** Held while the device opens and closes. A model resets alone, so that each device is its own set. Source: dev_set */
  readonly #deviceSetLock = new Mutex();
  #registrations = 1;
  #openCount = 0;
  #kvm: KvmReference | null = null;
  /** The iommufd that took the container's place at the first open. The device holds it longer than the group can. */
  #iommufd: IommufdContext | null = null;
  #unused!: () => void;
  readonly #completion = new Promise<void>((resolve) => {
    this.#unused = resolve;
  });

  constructor(
    private readonly member: GroupMember,
    readonly group: VfioGroup,
    readonly driver: VfioDriver,
  ) {}

  get name(): string {
    return this.member.name;
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
          if (this.#openCount === 0) await this.#firstOpen(caller, afterwards);
          this.#openCount += 1;
        });
      });
      if (this.group.noiommu) logKernelWarning(this.name, 'vfio-noiommu device opened by user');
      return new DeviceFile(this);
    } finally {
      for (const step of afterwards) await step();
    }
  }

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
      this.#deviceSetLock.run(async () => {
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

  async #firstOpen(caller: Caller, afterwards: (() => Promise<void>)[]): Promise<void> {
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

  async #useIommu(caller: Caller): Promise<void> {
    const { group } = this;
    if (group.iommufd === null) {
      group.useContainer(caller);
      return;
    }
    await group.iommufd.attachGroup(group);
    this.#iommufd = group.iommufd.get();
  }

  /** @returns a function that drops the group's file, to be run after the group's lock is released */
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
