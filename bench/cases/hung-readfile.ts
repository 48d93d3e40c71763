import { readFile } from 'node:fs/promises';

import type { BenchCase } from '../harness/case.js';
import { openHungDevices } from '../fixtures/hung-devices.js';
import { millisecondsOf, p99Of } from '../fixtures/percentile.js';

const READS = 200;

/** `fs.readFile`, which uses libuv's four threads, beside devices that hang. */
const hungReadFile: BenchCase = {
  name: 'hung-readfile',
  title: 'fs.readFile at p99 while 8 devices hang, each in two accesses of 4 s',
  comparison: 'beside 8 hung devices with beside 8 idle ones',
  unit: 'ms',
  barAbove: 20,
  async prepare() {
    const devices = await openHungDevices();
    const file = new URL(import.meta.url);
    const sample = (): Promise<number[]> => p99Of(READS, () => millisecondsOf(() => readFile(file)));
    return {
      subject: { before: () => devices.hang(), sample, after: () => devices.end() },
      baseline: { sample },
      close: () => devices.close(),
    };
  },
};

export default hungReadFile;
