/** Codecs of messages that only the other side of a connection writes or reads: the engine has no use for them. */
import { PayloadReader, PayloadWriter } from '../../lib/vfio-user/protocol/payload.js';
import type { WireDmaAccess, WireFeature, WireRegionWrite } from '../../lib/vfio-user/protocol/protocol.js';

/** Reads the command DMA_READ. @throws ERR_PROTOCOL */
export function decodeDmaRead(payload: Uint8Array): WireDmaAccess {
  const reader = new PayloadReader(payload, 'DMA_READ');
  const access = { iova: reader.u64(), count: reader.safe('count') };
  reader.end();
  return access;
}

/** Writes the command REGION_WRITE_MULTI. Each write has 1 to 8 bytes of data. */
export function encodeRegionWriteMulti(writes: readonly WireRegionWrite[]): Uint8Array {
  const writer = new PayloadWriter(8 + writes.length * 24).u64(writes.length);
  for (const { regionOffset, regionIndex, data } of writes) {
    const padded = new Uint8Array(8);
    padded.set(data);
    writer.u64(regionOffset).u32(regionIndex).u32(data.length).data(padded);
  }
  return writer.bytes;
}

/** Reads the reply to REGION_WRITE_MULTI. @returns how many writes were performed. @throws ERR_PROTOCOL */
export function decodeRegionWriteMultiReply(payload: Uint8Array): number {
  const reader = new PayloadReader(payload, 'REGION_WRITE_MULTI');
  const count = reader.safe('count');
  reader.end();
  return count;
}

/** Writes DEVICE_FEATURE, command or reply. */
export function encodeFeature(feature: WireFeature): Uint8Array {
  const writer = new PayloadWriter(8 + feature.data.length);
  return writer.u32(feature.argsz).u32(feature.flags).data(feature.data).bytes;
}
