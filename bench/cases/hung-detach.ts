import type { BenchCase } from '../harness/case.js';
import { openHungDevices } from '../fixtures/hung-devices.js';
import { millisecondsOf, p99Of } from '../fixtures/percentile.js';

const DETACHES = 14;

/** Detaching a device beside devices that hang. With 15 rounds, each side detaches 210 times. */
const hungDetach: BenchCase = {
  name: 'hung-detach',
  title: 'detaching a device at p99 while 8 others hang, each in two accesses of 4 s',
  comparison: 'beside 8 hung devices with beside 8 idle ones',
  unit: 'ms',
  barAbove: 50,
  async prepare() {
    const devices = await openHungDevices();
    const detach = async (): Promise<number> => {
      const device = await devices.engine.attach(devices.innocent);
      return millisecondsOf(() => device.detach());
    };
    const sample = (): Promise<number[]> => p99Of(DETACHES, detach);
    return {
      subject: { before: () => devices.hang(), sample, after: () => devices.end() },
      baseline: { sample },
      close: () => devices.close(),
    };
  },
};

export default hungDetach;
