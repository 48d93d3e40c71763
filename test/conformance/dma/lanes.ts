import { linuxKernel } from '../../../lib/kernel/linux/linux.js';
import { SoftwareMachine } from '../../../lib/software/machine/software-machine.js';
import { BDF } from '../../guest/devices.js';
import { bindToVfio } from '../bind-to-vfio.js';
import type { DmaSides } from './compare.js';
import { DmaSide } from './side.js';

const ALL_BITS = (1n << 64n) - 1n;

/** The edus that can work in parallel: alone, with a wide DMA mask, beside a second function, behind a bridge. */
const DEVICES = [
  { bdf: BDF.edu },
  { bdf: BDF.eduWide, modelOptions: { dmaMask: ALL_BITS } },
  { bdf: BDF.pairEdu },
  { bdf: BDF.bridgedEdu },
] as const;

/** An edu of the guest and its copy in the software core. Real transfers are slow, so that several edus work in parallel. */
export interface Lane {
  open(): Promise<DmaSides>;
}

/** Makes the lanes. The caller closes every opened lane before `close`. */
export async function makeLanes(): Promise<{ readonly lanes: readonly Lane[]; close(): Promise<void> }> {
  const machine = new SoftwareMachine();
  const process = machine.process();
  const lanes: Lane[] = [];
  for (const device of DEVICES) {
    const { name: group } = await bindToVfio(device.bdf);
    const modelOptions = 'modelOptions' in device ? { modelOptions: device.modelOptions } : {};
    await machine.addDevice({ name: device.bdf, group: Number(group), model: 'edu', ...modelOptions });
    lanes.push({
      open: async () => ({
        real: await DmaSide.open(linuxKernel(), group, device.bdf),
        software: await DmaSide.open(process, group, device.bdf),
      }),
    });
  }
  return { lanes, close: () => machine.close() };
}
