import type { Device } from '../../device/device.js';
import { expectValue, pump, type JobContext } from './pump.js';

/**
 * Works a device that is neither edu nor testdev. Its registers are not known, and reading one may have side effects, so the
 * job only reads the ids in config space, again and again, and checks that they stay the same.
 */
export async function runConfig(device: Device, context: JobContext): Promise<void> {
  context.tally.offered.add('trapped accesses');
  const ids = await device.config.read32(0);
  await pump(context, async () => {
    expectValue(context.tally, await device.config.read32(0), ids);
    context.tally.trapped++;
  });
}
