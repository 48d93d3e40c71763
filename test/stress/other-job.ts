import { VFIO_DEVICE_FLAGS_RESET } from '../../lib/uapi/vfio.js';
import type { Job } from './session.js';

/** Resets a device whose registers are not known, and reads its ids. */
export const workOther: Job = async (device, session) => {
  await session.attempt('a reset', async () => {
    if ((device.info.flags & VFIO_DEVICE_FLAGS_RESET) !== 0) await device.reset();
    await device.config.read32(0);
    session.tally.operations += 2;
  });
};
