import type { IovaRange, ReservedRange } from '../../base/iova-range.js';
import type { DmaSource, IommuDomain } from './domain.js';
import { apertureOf } from './iova-ranges.js';
import { failWith } from '../base/errno-failure.js';
import { logKernelWarning } from '../base/kernel-log.js';

/** The properties of the IOMMU that all groups share. */
export interface IommuSettings {
  /** Ranges that no group can map. */
  readonly reservedRegions: readonly ReservedRange[];
  /** Bits of an IOVA that the IOMMU translates. */
  readonly addressWidth: number;
}

/** A device, as its IOMMU group uses it. */
export interface GroupMember extends DmaSource {
  readonly name: string;
  /** Whether the IOMMU keeps its interrupts apart from those of other groups. */
  readonly isolatedInterrupts: boolean;
  /** Whether the IOMMU can make all of its DMA cache coherent. */
  readonly enforcesCoherency: boolean;
  /** Ranges that its group cannot map, besides those of `IommuSettings`. */
  readonly reservedRegions: readonly ReservedRange[];
  /** Bits of an IOVA that the IOMMU in front of it translates. */
  readonly addressWidth: number;
}

/**
 * The devices that an IOMMU cannot isolate from each other, and the owner of their DMA: ordinary drivers, or one user.
 * Source: struct iommu_group, iommu_group_claim_dma_owner
 */
export class IommuGroup {
  readonly devices: GroupMember[] = [];
  #owner: object | null = null;
  #ownerCount = 0;
  #domain: IommuDomain | null = null;

  constructor(
    readonly id: number,
    private readonly settings: IommuSettings,
  ) {}

  /** The domain of the user that has the group attached, null without one. */
  get domain(): IommuDomain | null {
    return this.#domain;
  }

  /** Whether a user or an ordinary driver owns the DMA. The group is then not viable for another user. */
  get dmaOwnerClaimed(): boolean {
    return this.#ownerCount > 0;
  }

  /**
   * Checks that the IOMMU isolates the interrupts of every device of the group.
   * @param allowUnsafe the module parameter allow_unsafe_interrupts
   * @param device the name of the device that the kernel's log names
   * @throws EPERM
   */
  requireIsolatedInterrupts(allowUnsafe: boolean, device: string): void {
    if (allowUnsafe || this.devices.every(({ isolatedInterrupts }) => isolatedInterrupts)) return;
    logKernelWarning(device, 'no interrupt remapping: its group needs the machine option allowUnsafeInterrupts');
    failWith('EPERM');
  }

  /** Whether the IOMMU can make the DMA of every device of the group cache coherent. */
  get enforcesCoherency(): boolean {
    return this.devices.every((device) => device.enforcesCoherency);
  }

  /** The ranges that the group cannot map. */
  get reservedRegions(): ReservedRange[] {
    return [...this.settings.reservedRegions, ...this.devices.flatMap((device) => device.reservedRegions)];
  }

  /** Returns the ranges that cannot be mapped because of one device. Direct mappings of a device may be given up. */
  reservedRegionsOf(device: GroupMember): ReservedRange[] {
    return [...this.settings.reservedRegions, ...device.reservedRegions].filter(
      ({ type }) => type !== 'direct-relaxable',
    );
  }

  /** The range of IOVAs that the IOMMU translates for every device of the group. */
  get aperture(): IovaRange {
    return apertureOf(Math.min(this.settings.addressWidth, ...this.devices.map((device) => device.addressWidth)));
  }

  /** Gives the DMA to a user. @throws EPERM if a user or an ordinary driver owns it */
  claimDmaOwner(owner: object): void {
    if (this.#ownerCount > 0) failWith('EPERM');
    this.#owner = owner;
    this.#ownerCount = 1;
  }

  /** Ends the ownership of a user. */
  releaseDmaOwner(): void {
    this.#owner = null;
    this.#ownerCount = 0;
  }

  /**
   * Gives the DMA of one device to a user. The user of the other devices may be the same. Source: iommu_device_claim_dma_owner
   * @throws EPERM if an ordinary driver or another user owns it
   */
  claimDeviceDmaOwner(owner: object): void {
    if (this.#ownerCount > 0 && this.#owner !== owner) failWith('EPERM');
    this.#owner = owner;
    this.#ownerCount += 1;
  }

  /** Ends the ownership of one device. Source: iommu_device_release_dma_owner */
  releaseDeviceDmaOwner(): void {
    this.#ownerCount -= 1;
    if (this.#ownerCount === 0) this.#owner = null;
  }

  /** Gives the DMA to one more ordinary driver. @throws EBUSY if a user owns it */
  useDefaultDomain(): void {
    if (this.#owner !== null) failWith('EBUSY');
    this.#ownerCount += 1;
  }

  /** Ends the ownership of one ordinary driver. */
  unuseDefaultDomain(): void {
    this.#ownerCount -= 1;
  }

  /** Attaches every device of the group to a domain. @throws EBUSY if the group is attached to one */
  async attach(domain: IommuDomain): Promise<void> {
    if (this.#domain !== null) failWith('EBUSY');
    this.#domain = domain;
    for (const device of this.devices) await domain.attach(device);
  }

  /** Moves every device of the group to another domain. */
  async replace(domain: IommuDomain): Promise<void> {
    this.#domain = domain;
    for (const device of this.devices) await domain.attach(device);
  }

  /** Detaches every device of the group from its domain. Their DMA faults from now on. */
  detach(): void {
    const domain = this.#domain;
    this.#domain = null;
    for (const device of this.devices) domain?.detach(device);
  }
}
