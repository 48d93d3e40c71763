import { invalidArgument } from '../base/errors.js';
import type { MappedArea, PlaceableRegion } from './placeable-region.js';

/** Where a region is to appear: at a guest physical address, or at an I/O port. */
export type GuestAddress = { readonly gpa: bigint } | { readonly port: number };

/** One thing to put on the bus for a region. Offsets are the region's. */
export type Piece =
  | {
      readonly kind: 'memory';
      readonly offset: number;
      readonly view: Uint8Array;
      readonly size: number;
      readonly writable: boolean;
    }
  | { readonly kind: 'mmio' | 'pio'; readonly offset: number; readonly size: number };

/**
 * Decides what of a region becomes guest memory and what is trapped.
 * - A region of I/O ports is trapped by port handlers.
 * - A region without mapped areas, one at an address that is not page-aligned (a memory slot cannot be), and one that
 *   cannot be read (a slot cannot be write-only) is trapped as a whole.
 * - Else its mapped areas are guest memory and the gaps between them are trapped. The size of memory at the region's
 *   end is rounded up to a page, as a slot's must be.
 * @param pageSize the guest memory slots' granule, bytes, a power of two
 * @throws ERR_INVALID_ARGUMENT when the address is of the wrong kind for the region
 */
export function planPlacement(region: PlaceableRegion, address: GuestAddress, pageSize: number): Piece[] {
  if (region.size === 0) throw invalidArgument(`region ${region.regionIndex} is empty`);
  if (region.ioPort !== 'port' in address) {
    const wanted = region.ioPort ? 'I/O ports and wants a port' : 'memory and wants a gpa';
    throw invalidArgument(`region ${region.regionIndex} is ${wanted}`);
  }
  if ('port' in address) return [{ kind: 'pio', offset: 0, size: region.size }];
  if (address.gpa % BigInt(pageSize) !== 0n || !region.readable) return trapped(0, region.size);
  return aroundAreas(region, pageSize);
}

function aroundAreas(region: PlaceableRegion, pageSize: number): Piece[] {
  const pieces: Piece[] = [];
  let next = 0;
  for (const area of region.areas) {
    const size = slotSize(region, area, pageSize);
    if (size === 0) continue;
    pieces.push(...trapped(next, area.regionOffset));
    const view = area.view.subarray(0, size);
    pieces.push({ kind: 'memory', offset: area.regionOffset, view, size, writable: region.writable });
    next = area.regionOffset + size;
  }
  pieces.push(...trapped(next, region.size));
  return pieces;
}

/** The bytes of an area that a slot can hold: none when it starts inside a page, whole pages unless it ends the region. */
function slotSize(region: PlaceableRegion, area: MappedArea, pageSize: number): number {
  if (area.regionOffset % pageSize !== 0) return 0;
  const end = area.regionOffset + area.view.byteLength;
  const pages = area.view.byteLength / pageSize;
  return (end >= region.size ? Math.ceil(pages) : Math.floor(pages)) * pageSize;
}

function trapped(start: number, end: number): Piece[] {
  return end > start ? [{ kind: 'mmio', offset: start, size: end - start }] : [];
}
