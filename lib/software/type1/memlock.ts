import type { Mapping } from './mappings.js';
import type { SoftwareProcess } from '../machine/process.js';
import { refuse } from '../refusal.js';

/** Tells whether memory of this process could be pinned for reading (and writing). */
export type ProbeMemory = (vaddr: bigint, size: bigint, write: boolean) => boolean;

/** VFIO_DMA_MAP_FLAG_WRITE: the device writes, so that the pages must be writable. */
const WRITE = 2;

/**
 * Pins the memory behind mappings, page after page as the kernel does: a page that is not there is EFAULT, the first
 * page beyond the limit ENOMEM, whichever comes first. Source: vfio_pin_pages_remote
 */
export class MemoryPinning {
  constructor(
    private readonly probe: ProbeMemory,
    private readonly pageSize: bigint,
  ) {}

  /** @throws EFAULT, ENOMEM */
  pin(mapping: Mapping): void {
    const room = mapping.owner.lockableBytes;
    const within = mapping.size <= room ? mapping.size : room - (room % this.pageSize);
    const write = (mapping.access & WRITE) !== 0;
    if (within > 0n && !this.probe(mapping.vaddr, within, write)) refuse('EFAULT');
    if (within < mapping.size) refuse('ENOMEM');
    mapping.owner.lockedBytes += mapping.size;
    mapping.pinned = true;
  }

  unpin(mapping: Mapping): void {
    if (!mapping.pinned) return;
    mapping.owner.lockedBytes -= mapping.size;
    mapping.pinned = false;
  }

  /** Lets another process pay. @throws ENOMEM when its limit forbids it */
  changeOwner(mapping: Mapping, owner: SoftwareProcess): void {
    if (mapping.owner === owner) return;
    if (mapping.pinned) {
      if (owner.lockableBytes < mapping.size) refuse('ENOMEM');
      mapping.owner.lockedBytes -= mapping.size;
      owner.lockedBytes += mapping.size;
    }
    mapping.owner = owner;
  }
}
