import { systemError } from '../../../base/errors.js';
import * as wire from '../../protocol/protocol.js';
import type { CommandContext, Reply } from './command.js';

/** DEVICE_FEATURE. The server has no features: every request fails with ENOTTY, as in the kernel. */
export function deviceFeature(_context: CommandContext, payload: Uint8Array): Reply {
  wire.decodeFeature(payload);
  throw systemError('ENOTTY', 'vfio-user(DEVICE_FEATURE)');
}
