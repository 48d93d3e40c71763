import { PayloadReader, PayloadWriter } from './payload.js';

const DMA_ACCESS_SIZE = 16;
/** The length of a DMA_WRITE reply as the specification has it: its count has 4 bytes. */
const SPECIFIED_WRITE_REPLY_SIZE = 12;

/** DMA_READ or DMA_WRITE, which a server sends. Data follows it in a DMA_WRITE command and in a DMA_READ reply. */
export interface WireDmaAccess {
  /** The first address on the device's bus. */
  readonly iova: bigint;
  /** Bytes. */
  readonly count: number;
}

/** Writes the command DMA_READ, or DMA_WRITE with its data. */
export function encodeDmaAccess(access: WireDmaAccess, data: Uint8Array = new Uint8Array()): Uint8Array {
  return new PayloadWriter(DMA_ACCESS_SIZE + data.length).u64(access.iova).u64(access.count).data(data).bytes;
}

/** Reads an access and the `count` bytes that follow it. `data` is a view of the payload. @throws ERR_PROTOCOL */
export function decodeDmaData(payload: Uint8Array): WireDmaAccess & { readonly data: Uint8Array } {
  const reader = new PayloadReader(payload, 'DMA data');
  const access = { iova: reader.u64(), count: reader.safe('count') };
  const data = reader.bytes(access.count);
  reader.end();
  return { ...access, data };
}

/**
 * Reads the reply to DMA_WRITE. Accepts both forms of its count: 4 bytes in the specification, 8 in every implementation.
 * @throws ERR_PROTOCOL
 */
export function decodeDmaWriteReply(payload: Uint8Array): WireDmaAccess {
  const reader = new PayloadReader(payload, 'DMA_WRITE reply');
  if (payload.length === SPECIFIED_WRITE_REPLY_SIZE) return { iova: reader.u64(), count: reader.u32() };
  const access = { iova: reader.u64(), count: reader.safe('count') };
  reader.end();
  return access;
}
