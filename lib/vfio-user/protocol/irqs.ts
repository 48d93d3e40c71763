import type { IrqInfo, IrqSet } from '../../kernel/kernel.js';
import { VFIO_IRQ_SET_DATA_BOOL } from '../../uapi/vfio.js';
import { VFIO_IRQ_INFO_MINSZ, VFIO_IRQ_SET_MINSZ } from '../../uapi/vfio-sizes.js';
import { PayloadReader, PayloadWriter } from './payload.js';

/** Writes the command DEVICE_GET_IRQ_INFO. */
export function encodeIrqInfoQuery(irqIndex: number): Uint8Array {
  return new PayloadWriter(VFIO_IRQ_INFO_MINSZ).u32(VFIO_IRQ_INFO_MINSZ).u32(0).u32(irqIndex).bytes;
}

/** Reads the command DEVICE_GET_IRQ_INFO, which may be as long as its reply. @returns the irqIndex. @throws ERR_PROTOCOL */
export function decodeIrqInfoQuery(payload: Uint8Array): number {
  const reader = new PayloadReader(payload, 'DEVICE_GET_IRQ_INFO');
  reader.argsz(VFIO_IRQ_INFO_MINSZ);
  reader.u32();
  const irqIndex = reader.u32();
  reader.u32();
  return irqIndex;
}

/** Writes the reply to DEVICE_GET_IRQ_INFO. */
export function encodeIrqInfo(info: IrqInfo): Uint8Array {
  const writer = new PayloadWriter(VFIO_IRQ_INFO_MINSZ).u32(VFIO_IRQ_INFO_MINSZ);
  return writer.u32(info.flags).u32(info.index).u32(info.count).bytes;
}

/** Reads the reply to DEVICE_GET_IRQ_INFO. @throws ERR_PROTOCOL */
export function decodeIrqInfo(payload: Uint8Array): IrqInfo {
  const reader = new PayloadReader(payload, 'DEVICE_GET_IRQ_INFO');
  reader.argsz(VFIO_IRQ_INFO_MINSZ);
  const flags = reader.u32();
  return { flags, index: reader.u32(), count: reader.u32() };
}

/** Writes the command DEVICE_SET_IRQS. Its eventfds are sent beside the payload. */
export function encodeIrqSet(set: Omit<IrqSet, 'argsz' | 'eventfds'>): Uint8Array {
  const bools = set.bools ?? new Uint8Array();
  const size = VFIO_IRQ_SET_MINSZ + bools.length;
  const writer = new PayloadWriter(size).u32(size).u32(set.flags).u32(set.index).u32(set.start).u32(set.count);
  return writer.data(bools).bytes;
}

/**
 * Reads the command DEVICE_SET_IRQS. Does not check flags, index and range: the device does (EINVAL).
 * @throws ERR_PROTOCOL for a wrong length. With DATA_BOOL, `count` bytes of data follow the fixed part
 */
export function decodeIrqSet(payload: Uint8Array): IrqSet & { readonly argsz: number } {
  const reader = new PayloadReader(payload, 'DEVICE_SET_IRQS');
  const argsz = reader.argsz(VFIO_IRQ_SET_MINSZ);
  const set = { argsz, flags: reader.u32(), index: reader.u32(), start: reader.u32(), count: reader.u32() };
  if ((set.flags & VFIO_IRQ_SET_DATA_BOOL) === 0) {
    reader.end();
    return set;
  }
  const bools = reader.bytes(set.count);
  reader.end();
  return { ...set, bools };
}
