import type { DeviceInfo, IrqInfo, IrqSet } from '../../kernel/kernel.js';
import { VFIO_IRQ_SET_DATA_BOOL } from '../../uapi/vfio.js';
import { PayloadReader, PayloadWriter } from './payload.js';

const INFO_SIZE = 16;
const IRQ_SET_SIZE = 20;

/** What a query asks: of which index (0 for the device), and how much room it has for the answer. */
export interface InfoQuery {
  readonly argsz: number;
  readonly index: number;
}

export function encodeDeviceInfoQuery(): Uint8Array {
  return new PayloadWriter(INFO_SIZE).u32(INFO_SIZE).bytes;
}

/** Reads GET_INFO's command. @throws ERR_PROTOCOL */
export function decodeDeviceInfoQuery(payload: Uint8Array): InfoQuery {
  const reader = new PayloadReader(payload, 'DEVICE_GET_INFO');
  const argsz = readRoom(reader, INFO_SIZE);
  reader.bytes(12);
  reader.end();
  return { argsz, index: 0 };
}

export function encodeDeviceInfo(info: DeviceInfo): Uint8Array {
  return new PayloadWriter(INFO_SIZE).u32(INFO_SIZE).u32(info.flags).u32(info.numRegions).u32(info.numIrqs).bytes;
}

/** Reads GET_INFO's reply. A newer server's longer one is passed over behind what is known. @throws ERR_PROTOCOL */
export function decodeDeviceInfo(payload: Uint8Array): DeviceInfo {
  const reader = new PayloadReader(payload, 'DEVICE_GET_INFO');
  readRoom(reader, INFO_SIZE);
  return { flags: reader.u32(), numRegions: reader.u32(), numIrqs: reader.u32() };
}

export function encodeIrqInfoQuery(irqIndex: number): Uint8Array {
  return new PayloadWriter(INFO_SIZE).u32(INFO_SIZE).u32(0).u32(irqIndex).bytes;
}

/** Reads GET_IRQ_INFO's command. @throws ERR_PROTOCOL */
export function decodeIrqInfoQuery(payload: Uint8Array): InfoQuery {
  const reader = new PayloadReader(payload, 'DEVICE_GET_IRQ_INFO');
  const argsz = readRoom(reader, INFO_SIZE);
  reader.u32();
  const index = reader.u32();
  reader.u32();
  reader.end();
  return { argsz, index };
}

export function encodeIrqInfo(info: IrqInfo): Uint8Array {
  return new PayloadWriter(INFO_SIZE).u32(INFO_SIZE).u32(info.flags).u32(info.index).u32(info.count).bytes;
}

/** Reads GET_IRQ_INFO's reply. @throws ERR_PROTOCOL */
export function decodeIrqInfo(payload: Uint8Array): IrqInfo {
  const reader = new PayloadReader(payload, 'DEVICE_GET_IRQ_INFO');
  readRoom(reader, INFO_SIZE);
  const flags = reader.u32();
  return { flags, index: reader.u32(), count: reader.u32() };
}

/** Writes SET_IRQS' command; its eventfds are no part of the payload, they go beside the message. */
export function encodeIrqSet(set: Omit<IrqSet, 'argsz' | 'eventfds'>): Uint8Array {
  const bools = set.bools ?? new Uint8Array();
  const size = IRQ_SET_SIZE + bools.length;
  const writer = new PayloadWriter(size).u32(size).u32(set.flags).u32(set.index).u32(set.start).u32(set.count);
  return writer.data(bools).bytes;
}

/**
 * Reads SET_IRQS' command. Whether flags, index and range make sense is the device's to say (EINVAL).
 * @throws ERR_PROTOCOL for a wrong length; with DATA_BOOL there are `count` bytes of data
 */
export function decodeIrqSet(payload: Uint8Array): IrqSet & { readonly argsz: number } {
  const reader = new PayloadReader(payload, 'DEVICE_SET_IRQS');
  const argsz = readRoom(reader, IRQ_SET_SIZE);
  const set = { argsz, flags: reader.u32(), index: reader.u32(), start: reader.u32(), count: reader.u32() };
  if ((set.flags & VFIO_IRQ_SET_DATA_BOOL) === 0) {
    reader.end();
    return set;
  }
  const bools = reader.bytes(set.count);
  reader.end();
  return { ...set, bools };
}

function readRoom(reader: PayloadReader, least: number): number {
  const argsz = reader.u32();
  if (argsz < least) throw reader.fail(`argsz ${argsz} is less than ${least}`);
  return argsz;
}
