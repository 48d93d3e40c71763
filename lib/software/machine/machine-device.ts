import type { ReservedRange } from '../../base/iova-range.js';
import { Mutex } from '../../base/mutex.js';
import type { DomainHandle } from '../../native/vfio-user.js';
import { isUuid } from '../../sysfs/device-id.js';
import { failWith } from '../base/errno-failure.js';
import type { VfioDevice } from '../group/vfio-device.js';
import type { GroupMember, IommuGroup } from '../iommu/iommu-group.js';
import { DeviceRunner } from '../pci/device-runner.js';
import type { RunningDevice } from '../pci/running-device.js';
import { modelDescription, RunningModel } from '../pci/running-model.js';
import type { BusDevice } from '../pci/vfio-pci.js';
import type { DeviceOptions, MachineSettings } from './machine-options.js';

/** Vendor, device and class, as sysfs shows them. */
type DeviceIdentity = NonNullable<DeviceOptions['identity']>;

const UNKNOWN_IDENTITY: DeviceIdentity = { vendorId: 0xffff, deviceId: 0xffff, classCode: 0 };

/** A device on the machine's bus, bound to a driver or not. Source: struct device */
export class MachineDevice implements GroupMember, BusDevice {
  readonly name: string;
  /** Whether it is a mediated device: its name is a UUID, and it has no bus address. */
  readonly mediated: boolean;
  /** Held while a driver binds or unbinds. Source: device_lock */
  readonly lock = new Mutex();
  readonly isolatedInterrupts: boolean;
  readonly enforcesCoherency: boolean;
  readonly reservedRegions: readonly ReservedRange[];
  readonly addressWidth: number;
  readonly match: ((argument: string) => boolean) | undefined;
  /** The IOMMU group, null if the device has none. */
  iommuGroup: IommuGroup | null = null;
  /** The name of the bound driver. */
  driver: string | null = null;
  /** The file `driver_override` in sysfs. */
  driverOverride: string | null = null;
  /** The registration with VFIO, while a VFIO driver is bound. */
  vfio: VfioDevice | null = null;
  #domain: DomainHandle = 0;
  #onDomain: (domain: DomainHandle) => void = () => undefined;

  private constructor(
    readonly options: DeviceOptions,
    readonly identity: DeviceIdentity,
    settings: MachineSettings,
    private readonly runner: DeviceRunner | null,
  ) {
    this.name = options.name;
    this.match = options.match;
    this.mediated = isUuid(options.name);
    this.isolatedInterrupts = options.isolatedInterrupts ?? settings.interruptRemapping;
    this.enforcesCoherency = options.enforcesCoherency ?? false;
    this.reservedRegions = options.reservedRegions ?? [];
    this.addressWidth = options.addressWidth ?? settings.addressWidth;
  }

  /** Makes a device. Its model does not run yet. @throws ERR_INVALID_ARGUMENT if the model's module has no `PciModel` */
  static async create(options: DeviceOptions, settings: MachineSettings): Promise<MachineDevice> {
    const { model, modelOptions, placement = 'thread', start } = options;
    const make = (runner: DeviceRunner | null, identity = UNKNOWN_IDENTITY): MachineDevice =>
      new MachineDevice(options, options.identity ?? identity, settings, runner);
    if (start !== undefined) return make(new DeviceRunner(start));
    if (model === undefined) return make(null);
    const { identity } = await modelDescription(model);
    const spec = { model, options: modelOptions, isolation: placement };
    return make(new DeviceRunner(() => RunningModel.start(spec)), identity);
  }

  /** Whether a user can open it: it has a model. */
  get canRun(): boolean {
    return this.runner !== null;
  }

  async start(): Promise<RunningDevice> {
    return this.runner === null ? failWith('ENODEV') : this.runner.start();
  }

  /** Ends the model, if it runs. */
  async stop(): Promise<void> {
    await this.runner?.stop();
  }

  /** Puts the device's DMA behind a domain. @param domain 0 for no domain */
  setDomain(domain: DomainHandle): void {
    this.#domain = domain;
    this.#onDomain(domain);
  }

  followDomain(follow: (domain: DomainHandle) => void): void {
    this.#onDomain = follow;
    follow(this.#domain);
  }
}
