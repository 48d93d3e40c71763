import { PayloadReader } from './payload.js';

const FEATURE_SIZE = 8;

/** DEVICE_FEATURE, command and reply. */
export interface WireFeature {
  /** The room for the whole reply, in bytes. */
  readonly argsz: number;
  /** The number of the feature, and VFIO_DEVICE_FEATURE_GET, _SET or _PROBE. */
  readonly flags: number;
  /** The feature's own data. */
  readonly data: Uint8Array;
}

/** Reads DEVICE_FEATURE, command or reply. `data` is a view of the payload. @throws ERR_PROTOCOL */
export function decodeFeature(payload: Uint8Array): WireFeature {
  const reader = new PayloadReader(payload, 'DEVICE_FEATURE');
  const argsz = reader.argsz(FEATURE_SIZE);
  return { argsz, flags: reader.u32(), data: reader.bytes(reader.remaining) };
}
