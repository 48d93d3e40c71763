import { VFIO_PCI_OFFSET_SHIFT } from '../../lib/uapi/vfio.js';
import type { Place } from './generate/device-calls.js';

/** Returns the offset of a place in a device's file. */
export function fileOffset(place: Place): bigint {
  return (BigInt(place.regionIndex) << VFIO_PCI_OFFSET_SHIFT) + BigInt(place.offset);
}

/** Returns the low bytes of a value. @param length 0 to 8 bytes; those from the fifth on are 0 */
export function littleEndian(value: number, length: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(value);
  return bytes.subarray(0, length);
}
