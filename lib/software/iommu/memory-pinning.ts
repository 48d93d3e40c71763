import { VFIO_DMA_MAP_FLAG_WRITE } from '../../uapi/vfio.js';
import type { MemlockAccount } from '../base/caller.js';
import { failWith } from '../base/errno-failure.js';

/** Memory of this process that an IOMMU can map. */
export interface PinnableMemory {
  readonly vaddr: bigint;
  /** Bytes. */
  readonly size: bigint;
  /** VFIO_DMA_MAP_FLAG_READ, VFIO_DMA_MAP_FLAG_WRITE or both. */
  readonly access: number;
  /** The process that pays for the pinned memory. */
  account: MemlockAccount;
  /** Whether the pages are pinned. They are while an IOMMU domain has them. */
  pinned: boolean;
}

/** Pins memory for IOMMU domains. `MemoryPinning` implements it. */
export interface Pinning {
  /** @throws EFAULT, ENOMEM */
  pin(memory: PinnableMemory): void;
  unpin(memory: PinnableMemory): void;
}

/** Tells whether memory of this process can be pinned for reading (and for writing). */
export type ProbeMemory = (vaddr: bigint, size: bigint, write: boolean) => boolean;

/**
 * Pins the memory behind mappings and charges it to a process. The core does not lock pages: it checks that they can be
 * pinned, and counts them. The kernel pins page after page, so that the first bad page decides the errno: EFAULT for a
 * page that is not mapped, ENOMEM for a page beyond the limit. Source: vfio_pin_pages_remote
 */
export class MemoryPinning implements Pinning {
  constructor(
    private readonly probe: ProbeMemory,
    private readonly pageSize: bigint,
  ) {}

  /** Pins a mapping's memory. @throws EFAULT, ENOMEM */
  pin(mapping: PinnableMemory): void {
    const room = mapping.account.lockableBytes;
    const within = mapping.size <= room ? mapping.size : room - (room % this.pageSize);
    const write = (mapping.access & VFIO_DMA_MAP_FLAG_WRITE) !== 0;
    if (within > 0n && !this.probe(mapping.vaddr, within, write)) failWith('EFAULT');
    if (within < mapping.size) failWith('ENOMEM');
    mapping.account.lockedBytes += mapping.size;
    mapping.pinned = true;
  }

  /** Unpins a mapping's memory. */
  unpin(mapping: PinnableMemory): void {
    if (!mapping.pinned) return;
    mapping.account.lockedBytes -= mapping.size;
    mapping.pinned = false;
  }

  /** Charges a mapping to another process. @throws ENOMEM if the limit of that process does not allow it */
  changeAccount(mapping: PinnableMemory, account: MemlockAccount): void {
    if (mapping.account === account) return;
    if (mapping.pinned) {
      if (account.lockableBytes < mapping.size) failWith('ENOMEM');
      mapping.account.lockedBytes -= mapping.size;
      account.lockedBytes += mapping.size;
    }
    mapping.account = account;
  }
}
