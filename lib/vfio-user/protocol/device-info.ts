import type { DeviceInfo } from '../../kernel/kernel.js';
import { VFIO_DEVICE_INFO_MINSZ } from '../../uapi/vfio-sizes.js';
import { PayloadReader, PayloadWriter } from './payload.js';

/** Writes the command DEVICE_GET_INFO. */
export function encodeDeviceInfoQuery(): Uint8Array {
  return new PayloadWriter(VFIO_DEVICE_INFO_MINSZ).u32(VFIO_DEVICE_INFO_MINSZ).bytes;
}

/** Reads the command DEVICE_GET_INFO, which may be as long as its reply. @returns its argsz. @throws ERR_PROTOCOL */
export function decodeDeviceInfoQuery(payload: Uint8Array): number {
  const reader = new PayloadReader(payload, 'DEVICE_GET_INFO');
  const argsz = reader.argsz(VFIO_DEVICE_INFO_MINSZ);
  reader.bytes(12);
  return argsz;
}

/** Writes the reply to DEVICE_GET_INFO. */
export function encodeDeviceInfo(info: DeviceInfo): Uint8Array {
  const writer = new PayloadWriter(VFIO_DEVICE_INFO_MINSZ).u32(VFIO_DEVICE_INFO_MINSZ);
  return writer.u32(info.flags).u32(info.numRegions).u32(info.numIrqs).bytes;
}

/** Reads the reply to DEVICE_GET_INFO. Ignores further fields of a newer server. @throws ERR_PROTOCOL */
export function decodeDeviceInfo(payload: Uint8Array): DeviceInfo {
  const reader = new PayloadReader(payload, 'DEVICE_GET_INFO');
  reader.argsz(VFIO_DEVICE_INFO_MINSZ);
  return { flags: reader.u32(), numRegions: reader.u32(), numIrqs: reader.u32() };
}
