/** Reads a little-endian value: of 1, 2 or 4 bytes a number, of 8 bytes a bigint. */
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

/** Writes a value into 1, 2, 4 or 8 little-endian bytes. Higher bits are dropped. */
export function putValue(bytes: Uint8Array, value: number | bigint): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length === 8) return view.setBigUint64(0, BigInt.asUintN(64, BigInt(value)), true);
  const number = typeof value === 'bigint' ? Number(BigInt.asUintN(32, value)) : value;
  if (bytes.length === 4) view.setUint32(0, number, true);
  else if (bytes.length === 2) view.setUint16(0, number, true);
  else view.setUint8(0, number);
}
