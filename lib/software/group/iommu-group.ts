import type { IovaRange, ReservedRange } from '../../base/iova-range.js';
import type { DmaSource, IommuDomain } from '../iommu/domain.js';
import { apertureOf } from '../iommu/iova-ranges.js';
import type { MachineSettings } from '../machine/options.js';
import { refuse } from '../refusal.js';

/** What a group asks of its devices. */
export interface GroupMember extends DmaSource {
  readonly name: string;
  readonly isolatedInterrupts: boolean;
  readonly enforcesCoherency: boolean;
  readonly reservedRegions: readonly ReservedRange[];
  readonly addressWidth: number;
}

/**
 * The devices that an IOMMU cannot tell apart, and who owns their DMA: ordinary drivers, or one user.
 * Source: struct iommu_group, iommu_group_claim_dma_owner
 */
export class IommuGroup<Member extends GroupMember = GroupMember> {
  readonly devices: Member[] = [];
  #owner: object | null = null;
  #ownerCount = 0;
  #domain: IommuDomain | null = null;

  constructor(
    readonly id: number,
    private readonly settings: MachineSettings,
  ) {}

  /** The domain that a user put the group into. */
  get domain(): IommuDomain | null {
    return this.#domain;
  }

  /** Whether a user or an ordinary driver owns the DMA: the group is then not viable for another user. */
  get dmaOwnerClaimed(): boolean {
    return this.#ownerCount > 0;
  }

  get hasIsolatedInterrupts(): boolean {
    return this.devices.every((device) => device.isolatedInterrupts);
  }

  get reservedRegions(): ReservedRange[] {
    return [...this.settings.reservedRegions, ...this.devices.flatMap((device) => device.reservedRegions)];
  }

  get aperture(): IovaRange {
    return apertureOf(Math.min(this.settings.addressWidth, ...this.devices.map((device) => device.addressWidth)));
  }

  /** Takes the DMA for a user. @throws EPERM when anybody has it */
  claimDmaOwner(owner: object): void {
    if (this.#ownerCount > 0) refuse('EPERM');
    this.#owner = owner;
    this.#ownerCount = 1;
  }

  releaseDmaOwner(): void {
    this.#owner = null;
    this.#ownerCount = 0;
  }

  /** Takes the DMA for an ordinary driver, as many as there are. @throws EBUSY when a user has it */
  useDefaultDomain(): void {
    if (this.#owner !== null) refuse('EBUSY');
    this.#ownerCount += 1;
  }

  unuseDefaultDomain(): void {
    this.#ownerCount -= 1;
  }

  /** Puts every device of the group into a domain. @throws EBUSY when they are in one */
  async attach(domain: IommuDomain): Promise<void> {
    if (this.#domain !== null) refuse('EBUSY');
    this.#domain = domain;
    for (const device of this.devices) await domain.attach(device);
  }

  detach(): void {
    const domain = this.#domain;
    this.#domain = null;
    for (const device of this.devices) domain?.detach(device);
  }
}
