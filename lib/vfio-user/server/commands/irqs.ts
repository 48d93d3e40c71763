import { systemError } from '../../../base/errors.js';
import type { Fd } from '../../../kernel/kernel.js';
import { VFIO_IRQ_SET_DATA_EVENTFD } from '../../../uapi/vfio.js';
import * as wire from '../../protocol/protocol.js';
import type { CommandContext, Reply } from './command.js';

/** DEVICE_GET_IRQ_INFO */
export function deviceGetIrqInfo({ device }: CommandContext, payload: Uint8Array): Reply {
  return { payload: wire.encodeIrqInfo(device.getIrqInfo(wire.decodeIrqInfoQuery(payload))) };
}

/** DEVICE_SET_IRQS. With DATA_EVENTFD the message has one eventfd for each interrupt, or none to take them all away. */
export function deviceSetIrqs({ device, fds }: CommandContext, payload: Uint8Array): Reply {
  const set = wire.decodeIrqSet(payload);
  if ((set.flags & VFIO_IRQ_SET_DATA_EVENTFD) === 0) {
    device.setIrqs(set);
    return {};
  }
  // Checked before an array of `count` is allocated: the sender can claim any count.
  const { count } = device.getIrqInfo(set.index);
  if (set.count > count || (fds.count !== 0 && fds.count !== set.count)) {
    throw systemError('EINVAL', 'vfio-user(DEVICE_SET_IRQS)');
  }
  const eventfds = fds.count === 0 ? new Array<Fd>(set.count).fill(-1) : fds.takeAll();
  device.setIrqs({ ...set, eventfds });
  return {};
}
