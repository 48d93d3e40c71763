import { systemError } from '../../../base/errors.js';
import * as wire from '../../protocol/protocol.js';
import type { CommandContext, Reply } from './command.js';

/** DEVICE_GET_INFO */
export function deviceGetInfo({ device }: CommandContext, payload: Uint8Array): Reply {
  wire.decodeDeviceInfoQuery(payload);
  return { payload: wire.encodeDeviceInfo(device.getInfo()) };
}

/** DEVICE_RESET */
export function deviceReset({ device, allowEarlyReply }: CommandContext, payload: Uint8Array): Reply {
  if (payload.length !== 0) throw systemError('EINVAL', 'vfio-user(DEVICE_RESET)');
  allowEarlyReply({});
  device.reset();
  return {};
}
