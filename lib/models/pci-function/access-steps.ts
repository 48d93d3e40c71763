/** A part of a BAR that is not the model's: mapped memory, or the MSI-X table and pending bits. */
export interface Area {
  readonly start: number;
  readonly end: number;
  readonly kind: 'memory' | 'msix';
}

/** One step of an access: a run of bytes inside an area, or one register access of a natural width. */
export interface Step {
  readonly offset: number;
  readonly length: number;
  readonly kind: Area['kind'] | 'register';
}

/**
 * Splits an access to a BAR: bytes inside an area stay together, all others are accesses of 8, 4, 2 or 1 bytes, the
 * widest that alignment and length allow. Source: vfio_pci_core_do_io_rw (6.12), behaviour
 * @param areas sorted and apart
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

/** Reads a little-endian value of 1, 2, 4 bytes as a number, of 8 as a bigint. */
export function getValue(bytes: Uint8Array): number | bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (bytes.length) {
    case 1:
      return view.getUint8(0);
    case 2:
      return view.getUint16(0, true);
    case 4:
      return view.getUint32(0, true);
    default:
      return view.getBigUint64(0, true);
  }
}

/** Writes a value into 1, 2, 4 or 8 little-endian bytes; what does not fit is cut off. */
export function putValue(bytes: Uint8Array, value: number | bigint): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length === 8) return view.setBigUint64(0, BigInt.asUintN(64, BigInt(value)), true);
  const number = typeof value === 'bigint' ? Number(BigInt.asUintN(32, value)) : value;
  if (bytes.length === 4) view.setUint32(0, number, true);
  else if (bytes.length === 2) view.setUint16(0, number, true);
  else view.setUint8(0, number);
}
