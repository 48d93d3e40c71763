import type { Device } from '../../device/device.js';
import { expectValue, pump, type JobContext } from './pump.js';

/**
 * Works a device that is neither edu nor testdev: nothing is known of its registers, which may not even bear reading,
 * so its ids are read from config space again and again and have to stay what they are.
 */
export async function runConfig(device: Device, context: JobContext): Promise<void> {
  const ids = await device.config.read32(0);
  await pump(context, async () => {
    expectValue(context.tally, await device.config.read32(0), ids);
    context.tally.trapped++;
  });
}
