import { systemError } from '../../../base/errors.js';
import type { Fd } from '../../../kernel/kernel.js';
import { VFIO_IRQ_SET_DATA_EVENTFD } from '../../../uapi/vfio.js';
import * as wire from '../../protocol/protocol.js';
import { PayloadReader, PayloadWriter } from '../../protocol/payload.js';
import type { ServedDevice } from '../served-device.js';
import type { DmaRanges } from '../dma-ranges.js';
import type { ReceivedFds } from '../received-fds.js';

/** What a command answers. */
export interface Reply {
  readonly payload?: Uint8Array;
  readonly fds?: readonly Fd[];
}

/** What a command works on. */
export interface CommandContext {
  readonly device: ServedDevice;
  readonly dmaRanges: DmaRanges;
  readonly fds: ReceivedFds;
  /** Says that, should the device need an answer of the client's before the command is done, this is its reply. */
  promise(answer: Reply): void;
}

type Command = (context: CommandContext, payload: Uint8Array) => Reply;

/** One function a command; a command that is not here is answered with EOPNOTSUPP. */
export const COMMANDS: ReadonlyMap<number, Command> = new Map<number, Command>([
  [wire.VFIO_USER_DMA_MAP, mapDma],
  [wire.VFIO_USER_DMA_UNMAP, unmapDma],
  [wire.VFIO_USER_DEVICE_GET_INFO, getInfo],
  [wire.VFIO_USER_DEVICE_GET_REGION_INFO, getRegionInfo],
  [wire.VFIO_USER_DEVICE_GET_REGION_IO_FDS, getRegionIoFds],
  [wire.VFIO_USER_DEVICE_GET_IRQ_INFO, getIrqInfo],
  [wire.VFIO_USER_DEVICE_SET_IRQS, setIrqs],
  [wire.VFIO_USER_REGION_READ, readRegion],
  [wire.VFIO_USER_REGION_WRITE, writeRegion],
  [wire.VFIO_USER_REGION_WRITE_MULTI, writeRegions],
  [wire.VFIO_USER_DEVICE_RESET, reset],
  [wire.VFIO_USER_DEVICE_FEATURE, feature],
]);

function mapDma({ dmaRanges, fds }: CommandContext, payload: Uint8Array): Reply {
  dmaRanges.add(wire.decodeDmaMap(payload), () => fds.take());
  return {};
}

function unmapDma({ dmaRanges }: CommandContext, payload: Uint8Array): Reply {
  const unmap = wire.decodeDmaUnmap(payload);
  if (unmap.flags !== 0) throw systemError('EINVAL', 'vfio-user(DMA_UNMAP)');
  dmaRanges.remove(unmap.iova, unmap.size);
  return { payload: wire.encodeDmaUnmap(unmap) };
}

function getInfo({ device }: CommandContext, payload: Uint8Array): Reply {
  wire.decodeDeviceInfoQuery(payload);
  return { payload: wire.encodeDeviceInfo(device.getInfo()) };
}

function getRegionInfo({ device }: CommandContext, payload: Uint8Array): Reply {
  const { index, argsz } = wire.decodeRegionInfoQuery(payload);
  const { info, fd } = device.getRegionInfo(index);
  const answer = { payload: wire.encodeRegionInfo(info, argsz) };
  return fd === undefined ? answer : { ...answer, fds: [fd] };
}

/** No region has sub-regions behind descriptors: the answer is an empty list. */
function getRegionIoFds({ device }: CommandContext, payload: Uint8Array): Reply {
  const query = new PayloadReader(payload, 'DEVICE_GET_REGION_IO_FDS');
  const [argsz, flags, index] = [query.u32(), query.u32(), query.u32()];
  query.u32();
  query.end();
  if (argsz < 16 || flags !== 0) throw systemError('EINVAL', 'vfio-user(DEVICE_GET_REGION_IO_FDS)');
  device.getRegionInfo(index);
  return { payload: new PayloadWriter(16).u32(16).u32(0).u32(index).bytes };
}

function getIrqInfo({ device }: CommandContext, payload: Uint8Array): Reply {
  return { payload: wire.encodeIrqInfo(device.getIrqInfo(wire.decodeIrqInfoQuery(payload).index)) };
}

/** A message has as many eventfds as interrupts, or none: that takes them away. */
function setIrqs({ device, fds }: CommandContext, payload: Uint8Array): Reply {
  const set = wire.decodeIrqSet(payload);
  if ((set.flags & VFIO_IRQ_SET_DATA_EVENTFD) === 0) {
    device.setIrqs(set);
    return {};
  }
  // Checked before an array is made of it: a count costs its sender nothing.
  const { count } = device.getIrqInfo(set.index);
  if (set.count > count || (fds.count !== 0 && fds.count !== set.count)) {
    throw systemError('EINVAL', 'vfio-user(DEVICE_SET_IRQS)');
  }
  const eventfds = fds.count === 0 ? new Array<Fd>(set.count).fill(-1) : fds.takeAll();
  device.setIrqs({ ...set, eventfds });
  return {};
}

function readRegion({ device }: CommandContext, payload: Uint8Array): Reply {
  const access = wire.decodeRegionAccess(payload);
  const count = device.checkAccess({ ...access, write: false });
  const data = new Uint8Array(count);
  device.readRegion(access.regionIndex, access.regionOffset, data);
  return { payload: wire.encodeRegionAccess({ ...access, count }, data) };
}

function writeRegion(context: CommandContext, payload: Uint8Array): Reply {
  const { data, ...access } = wire.decodeRegionData(payload);
  const count = context.device.checkAccess({ ...access, write: true });
  const answer = { payload: wire.encodeRegionAccess({ ...access, count }) };
  context.promise(answer);
  context.device.writeRegion(access.regionIndex, access.regionOffset, data.subarray(0, count));
  return answer;
}

/** Stops at the first write that fails; the reply says how many were done, and none at all is that write's error. */
function writeRegions(context: CommandContext, payload: Uint8Array): Reply {
  const writes = wire.decodeRegionWriteMulti(payload);
  context.promise({ payload: wire.encodeRegionWriteMultiReply(writes.length) });
  let done = 0;
  try {
    for (const { data, ...place } of writes) {
      const count = context.device.checkAccess({ ...place, count: data.length, write: true });
      context.device.writeRegion(place.regionIndex, place.regionOffset, data.subarray(0, count));
      done += 1;
    }
  } catch (error) {
    if (done === 0) throw error;
  }
  return { payload: wire.encodeRegionWriteMultiReply(done) };
}

function reset(context: CommandContext, payload: Uint8Array): Reply {
  if (payload.length !== 0) throw systemError('EINVAL', 'vfio-user(DEVICE_RESET)');
  context.promise({});
  context.device.reset();
  return {};
}

/** There is no feature yet; probing one says so as the kernel does. */
function feature(_context: CommandContext, payload: Uint8Array): Reply {
  wire.decodeFeature(payload);
  throw systemError('ENOTTY', 'vfio-user(DEVICE_FEATURE)');
}
