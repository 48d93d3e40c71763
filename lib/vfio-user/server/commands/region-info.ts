import * as wire from '../../protocol/protocol.js';
import type { CommandContext, Reply } from './command.js';

/** DEVICE_GET_REGION_INFO. A region with mapped areas is sent with the file behind them. */
export function deviceGetRegionInfo({ device }: CommandContext, payload: Uint8Array): Reply {
  const { index, argsz } = wire.decodeRegionInfoQuery(payload);
  const { info, fd } = device.getRegionInfo(index);
  const reply = { payload: wire.encodeRegionInfo(info, argsz) };
  return fd === undefined ? reply : { ...reply, fds: [fd] };
}

/** DEVICE_GET_REGION_IO_FDS. No region has an ioeventfd, so the list is empty. */
export function deviceGetRegionIoFds({ device }: CommandContext, payload: Uint8Array): Reply {
  const regionIndex = wire.decodeRegionIoFdsQuery(payload);
  device.getRegionInfo(regionIndex);
  return { payload: wire.encodeNoRegionIoFds(regionIndex) };
}
