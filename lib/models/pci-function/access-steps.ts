/** A part of a BAR that the host handles itself: mapped memory, or the MSI-X table and pending bits. */
export interface Area {
  /** The offset of its first byte. */
  readonly start: number;
  /** The offset after its last byte. */
  readonly end: number;
  readonly kind: 'memory' | 'msix';
}

/** A step of an access: bytes inside one area, or one register access of 1, 2, 4 or 8 bytes, naturally aligned. */
export interface Step {
  readonly offset: number;
  readonly length: number;
  readonly kind: Area['kind'] | 'register';
}

/**
 * Splits an access to a BAR into steps. Bytes inside an area stay together. All others become register accesses, each as
 * wide as alignment and length allow.
 * @param areas in ascending order, without overlaps
 * Source: vfio_pci_core_do_io_rw (6.12), behaviour
 */
export function* steps(areas: readonly Area[], offset: number, length: number): Generator<Step> {
  const end = offset + length;
  for (let at = offset; at < end;) {
    const area = areas.find((candidate) => candidate.end > at);
    if (area !== undefined && area.start <= at) {
      const stop = Math.min(end, area.end);
      yield { offset: at, length: stop - at, kind: area.kind };
      at = stop;
      continue;
    }
    const width = widthAt(at, Math.min(end, area?.start ?? end) - at);
    yield { offset: at, length: width, kind: 'register' };
    at += width;
  }
}

function widthAt(offset: number, left: number): 1 | 2 | 4 | 8 {
  if (left >= 8 && offset % 8 === 0) return 8;
  if (left >= 4 && offset % 4 === 0) return 4;
  return left >= 2 && offset % 2 === 0 ? 2 : 1;
}
