import type { ReservedRange } from '../../base/iova-range.js';
import type { DomainHandle } from '../../native/vfio-user.js';
import type { GroupMember, IommuGroup } from '../group/iommu-group.js';
import type { ModelRunner } from '../pci/model-runner.js';
import { Mutex } from '../mutex.js';
import type { DeviceOptions, MachineSettings } from './options.js';
import type { VfioDevice } from '../group/vfio-device.js';

export type DeviceIdentity = NonNullable<DeviceOptions['identity']>;

/** A device on the machine's bus, bound to a driver or not. Source: struct device */
export class MachineDevice implements GroupMember {
  readonly name: string;
  /** A mediated device has a UUID for a name and no bus address. */
  readonly mediated: boolean;
  /** Held while a driver binds or unbinds. */
  readonly lock = new Mutex();
  readonly isolatedInterrupts: boolean;
  readonly enforcesCoherency: boolean;
  readonly reservedRegions: readonly ReservedRange[];
  readonly addressWidth: number;
  iommuGroup: IommuGroup | null = null;
  driver: string | null = null;
  driverOverride: string | null = null;
  /** Its registration while it is bound to a VFIO driver. */
  vfio: VfioDevice | null = null;
  #domain: DomainHandle = 0;
  #onDomain: (domain: DomainHandle) => void = () => undefined;

  constructor(
    readonly options: DeviceOptions,
    readonly identity: DeviceIdentity,
    settings: MachineSettings,
    /** What starts it; null for a device that is only there. */
    readonly runner: ModelRunner | null,
  ) {
    this.name = options.name;
    this.mediated = isUuid(options.name);
    this.isolatedInterrupts = options.isolatedInterrupts ?? settings.interruptRemapping;
    this.enforcesCoherency = options.enforcesCoherency ?? false;
    this.reservedRegions = options.reservedRegions ?? [];
    this.addressWidth = options.addressWidth ?? settings.addressWidth;
  }

  /** The domain that its DMA is behind, 0 for none. */
  get domain(): DomainHandle {
    return this.#domain;
  }

  setDomain(domain: DomainHandle): void {
    this.#domain = domain;
    this.#onDomain(domain);
  }

  /** Tells a running device's connection of its domain, now and at each change. */
  followDomain(follow: (domain: DomainHandle) => void): void {
    this.#onDomain = follow;
    follow(this.#domain);
  }
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export function isUuid(name: string): boolean {
  return UUID.test(name);
}
