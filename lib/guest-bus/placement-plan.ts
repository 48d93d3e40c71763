import { invalidArgument } from '../base/errors.js';
import type { AreaView, PlaceableRegion } from './placeable-region.js';

/** Where a region appears to the guest: at a guest physical address, or at an I/O port from 0 to 0xffff. */
export type GuestAddress = { readonly gpa: bigint } | { readonly port: number };

/** A part of a region that is one range on the bus. */
export type PlacementPart = MemoryPart | TrappedPart;

/** A part that becomes guest memory. */
interface MemoryPart {
  readonly kind: 'memory';
  /** Bytes from the start of the region. */
  readonly offset: number;
  readonly view: Uint8Array;
  /** Bytes, a multiple of the page size. */
  readonly size: number;
  readonly writable: boolean;
}

/** A part whose accesses go to handlers. */
interface TrappedPart {
  readonly kind: 'mmio' | 'pio';
  /** Bytes from the start of the region. */
  readonly offset: number;
  readonly size: number;
}

/**
 * Decides which parts of a region become guest memory and which parts are trapped.
 * - A region of I/O ports is trapped by port handlers.
 * - A region is trapped as a whole if it has no mapped areas, if its address is not a multiple of the page size, because a
 *   memory slot cannot be there, or if it cannot be read, because a memory slot cannot be write-only.
 * - Otherwise its mapped areas become guest memory and the gaps between them are trapped. The size of the memory at the
 *   end of the region is rounded up to a page, because a memory slot has whole pages.
 * @param pageSize granule of the guest memory slots, bytes, a power of two
 * @throws ERR_INVALID_ARGUMENT if the region is empty, or the address is of the wrong kind for it
 */
export function planPlacement(region: PlaceableRegion, address: GuestAddress, pageSize: number): PlacementPart[] {
  if (region.size === 0) throw invalidArgument(`region ${region.regionIndex} cannot be placed: it has 0 bytes`);
  if (region.ioPort !== 'port' in address) {
    const wanted = region.ioPort ? 'a `port`: it is I/O ports' : 'a `gpa`: it is memory';
    throw invalidArgument(`the address of region ${region.regionIndex} must be ${wanted}`);
  }
  if ('port' in address) return [{ kind: 'pio', offset: 0, size: region.size }];
  if (address.gpa % BigInt(pageSize) !== 0n || !region.readable) return trappedBetween(0, region.size);
  return memoryAndGaps(region, pageSize);
}

function memoryAndGaps(region: PlaceableRegion, pageSize: number): PlacementPart[] {
  const parts: PlacementPart[] = [];
  let next = 0;
  for (const area of region.areas) {
    const size = slotSize(region, area, pageSize);
    if (size === 0) continue;
    parts.push(...trappedBetween(next, area.regionOffset));
    const view = area.view.subarray(0, size);
    parts.push({ kind: 'memory', offset: area.regionOffset, view, size, writable: region.writable });
    next = area.regionOffset + size;
  }
  parts.push(...trappedBetween(next, region.size));
  return parts;
}

/**
 * Returns how many bytes of an area a memory slot holds: 0 if the area starts inside a page, otherwise its whole pages. The
 * area at the end of the region also gets the page that it fills in part.
 */
function slotSize(region: PlaceableRegion, area: AreaView, pageSize: number): number {
  if (area.regionOffset % pageSize !== 0) return 0;
  const end = area.regionOffset + area.view.byteLength;
  const pages = area.view.byteLength / pageSize;
  return (end >= region.size ? Math.ceil(pages) : Math.floor(pages)) * pageSize;
}

function trappedBetween(start: number, end: number): TrappedPart[] {
  return end > start ? [{ kind: 'mmio', offset: start, size: end - start }] : [];
}
