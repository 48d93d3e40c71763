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

/** Sends a command to the client and waits. @returns the reply's payload; undefined for an error or no reply in time */
export type Ask = (command: number, payload: Uint8Array) => Uint8Array | undefined;

/** A part of an access: inside one range, or in a hole between them. */
interface AccessPart {
  readonly iova: bigint;
  readonly start: number;
  readonly end: number;
  readonly range: DmaRange | undefined;
}

/**
 * The client's memory as the device reaches it: directly where the client sent a file, by DMA_READ and DMA_WRITE else.
 * What the client mapped without the right to it is refused here. What it never mapped is asked for all the same: the
 * client's own IOMMU decides and counts the fault (the software core maps nothing and answers every message itself).
 */
export class ClientMemory implements DmaBus {
  /** Bytes that one message may carry. */
  maxTransfer = VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE;

  constructor(
    private readonly map: DmaRanges,
    private readonly ask: Ask,
  ) {}

  read(iova: bigint, target: Uint8Array): boolean {
    const pieces = this.#pieces(iova, target.length, (range) => range.readable);
    if (pieces === undefined) return false;
    // More than one step can fail in the middle; the target changes only when all of it was read.
    const bytes = new Uint8Array(target.length);
    const done = pieces.every((piece) => this.#readPiece(piece, bytes.subarray(piece.start, piece.end)));
    if (done) target.set(bytes);
    return done;
  }

  write(iova: bigint, source: Uint8Array): boolean {
    const pieces = this.#pieces(iova, source.length, (range) => range.writable);
    return pieces?.every((piece) => this.#writePiece(piece, source.subarray(piece.start, piece.end))) ?? false;
  }

  #pieces(iova: bigint, length: number, allowed: (range: DmaRange) => boolean): AccessPart[] | undefined {
    const end = iova + BigInt(length);
    if (iova < 0n || end > 1n << 64n) return undefined;
    const pieces: AccessPart[] = [];
    for (let at = iova; at < end;) {
      const { range, last } = this.map.find(at);
      if (range !== undefined && !allowed(range)) return undefined;
      const next = last + 1n < end ? last + 1n : end;
      pieces.push({ iova: at, start: Number(at - iova), end: Number(next - iova), range });
      at = next;
    }
    return pieces;
  }

  #readPiece(piece: AccessPart, target: Uint8Array): boolean {
    if (piece.range?.file !== undefined) {
      return direct(piece, target.length, (at, bytes) => target.set(bytes, at));
    }
    return this.#chunks(target.length, (start, end) => {
      const access = { iova: piece.iova + BigInt(start), count: end - start };
      const reply = this.ask(VFIO_USER_DMA_READ, encodeDmaAccess(access));
      const data = reply && honest(() => decodeDmaData(reply).data);
      if (data?.length !== access.count) return false;
      target.set(data, start);
      return true;
    });
  }

  #writePiece(piece: AccessPart, source: Uint8Array): boolean {
    if (piece.range?.file !== undefined) {
      return direct(piece, source.length, (at, bytes) => bytes.set(source.subarray(at, at + bytes.length)));
    }
    return this.#chunks(source.length, (start, end) => {
      const access = { iova: piece.iova + BigInt(start), count: end - start };
      const reply = this.ask(VFIO_USER_DMA_WRITE, encodeDmaAccess(access, source.subarray(start, end)));
      return reply !== undefined && honest(() => decodeDmaWriteReply(reply).count) === access.count;
    });
  }

  #chunks(length: number, transfer: (start: number, end: number) => boolean): boolean {
    for (let start = 0; start < length; start += this.maxTransfer) {
      if (!transfer(start, Math.min(start + this.maxTransfer, length))) return false;
    }
    return true;
  }
}

/** Goes through the mapped windows of a piece. A window that cannot be mapped is an access that faulted. */
function direct(piece: AccessPart, length: number, copy: (at: number, bytes: Uint8Array) => void): boolean {
  const { range, iova } = piece;
  if (range?.file === undefined) return false;
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

/** Reads a reply; one that is none counts as no answer. */
function honest<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof VfioError) return undefined;
    throw error;
  }
}
