import { VfioError } from '../../base/errors.js';
import {
  decodeDmaData,
  decodeDmaWriteReply,
  encodeDmaAccess,
  VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE,
  VFIO_USER_DMA_READ,
  VFIO_USER_DMA_WRITE,
} from '../protocol/protocol.js';
import type { DmaBus } from './served-device.js';
import type { DmaRanges, DmaRange } from './dma-ranges.js';

/** Sends a request to the client and waits. @returns the reply's payload; undefined for an error or no reply in time */
export type Ask = (command: number, payload: Uint8Array) => Uint8Array | undefined;

/** A part of an access that is inside one range. */
interface AccessPart {
  readonly iova: bigint;
  readonly start: number;
  readonly end: number;
  readonly range: DmaRange;
}

/**
 * The client's memory, for the device's DMA. A range with a file is accessed directly, other ranges by DMA_READ and
 * DMA_WRITE. An access to an address that the client did not map, or that the flags of its range do not allow, is refused
 * here: the protocol forbids a message for it.
 */
export class ClientMemory implements DmaBus {
  /** The most bytes of data in one message. */
  maxTransfer = VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE;

  constructor(
    private readonly map: DmaRanges,
    private readonly ask: Ask,
  ) {}

  /** Reads memory. @returns false if the access was refused or faulted; `target` is then unchanged */
  read(iova: bigint, target: Uint8Array): boolean {
    const parts = this.#parts(iova, target.length, (range) => range.readable);
    if (parts === undefined) return false;
    // A later part can fail, and the target must change only if all parts were read.
    const bytes = new Uint8Array(target.length);
    const done = parts.every((part) => this.#readPart(part, bytes.subarray(part.start, part.end)));
    if (done) target.set(bytes);
    return done;
  }

  /** Writes memory. @returns false if the access was refused or faulted; a part of it may be written */
  write(iova: bigint, source: Uint8Array): boolean {
    const parts = this.#parts(iova, source.length, (range) => range.writable);
    return parts?.every((part) => this.#writePart(part, source.subarray(part.start, part.end))) ?? false;
  }

  #parts(iova: bigint, length: number, allowed: (range: DmaRange) => boolean): AccessPart[] | undefined {
    const end = iova + BigInt(length);
    const parts: AccessPart[] = [];
    for (let at = iova; at < end;) {
      const range = this.map.find(at);
      if (range === undefined || !allowed(range)) return undefined;
      const next = range.last + 1n < end ? range.last + 1n : end;
      parts.push({ iova: at, start: Number(at - iova), end: Number(next - iova), range });
      at = next;
    }
    return parts;
  }

  #readPart(part: AccessPart, target: Uint8Array): boolean {
    if (part.range.file !== undefined) {
      return copyDirectly(part, target.length, (at, bytes) => target.set(bytes, at));
    }
    return this.#chunks(target.length, (start, end) => {
      const access = { iova: part.iova + BigInt(start), count: end - start };
      const reply = this.ask(VFIO_USER_DMA_READ, encodeDmaAccess(access));
      const data = reply && decoded(() => decodeDmaData(reply).data);
      if (data?.length !== access.count) return false;
      target.set(data, start);
      return true;
    });
  }

  #writePart(part: AccessPart, source: Uint8Array): boolean {
    if (part.range.file !== undefined) {
      return copyDirectly(part, source.length, (at, bytes) => bytes.set(source.subarray(at, at + bytes.length)));
    }
    return this.#chunks(source.length, (start, end) => {
      const access = { iova: part.iova + BigInt(start), count: end - start };
      const reply = this.ask(VFIO_USER_DMA_WRITE, encodeDmaAccess(access, source.subarray(start, end)));
      return reply !== undefined && decoded(() => decodeDmaWriteReply(reply).count) === access.count;
    });
  }

  #chunks(length: number, transfer: (start: number, end: number) => boolean): boolean {
    for (let start = 0; start < length; start += this.maxTransfer) {
      if (!transfer(start, Math.min(start + this.maxTransfer, length))) return false;
    }
    return true;
  }
}

/** Copies through the mapped windows of a part. If a window cannot be mapped, the access faults. */
function copyDirectly(part: AccessPart, length: number, copy: (at: number, bytes: Uint8Array) => void): boolean {
  const { range, iova } = part;
  if (range.file === undefined) return false;
  try {
    for (let at = 0; at < length;) {
      const bytes = range.file.view(range.fileOffset + (iova - range.iova) + BigInt(at), length - at);
      copy(at, bytes);
      at += bytes.length;
    }
    return true;
  } catch (error) {
    if (error instanceof VfioError) return false;
    throw error;
  }
}

/** Decodes a reply. @returns undefined for a malformed reply */
function decoded<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof VfioError) return undefined;
    throw error;
  }
}
