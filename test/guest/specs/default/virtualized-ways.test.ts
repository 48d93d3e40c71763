import {
  describeMappedDecoding,
  describeVirtualizedWays,
  type WaysSubject,
} from '../../../contract/virtualized-ways.js';
import { BDF } from '../../devices.js';
import { bind, restore } from '../../support/binding.js';
import { linuxEngine } from '../../support/engine.js';

async function open(): Promise<WaysSubject> {
  await bind(BDF.nvme);
  const engine = linuxEngine();
  return {
    engine,
    name: BDF.nvme,
    register: { bar: 0, offset: 0x14 },
    close: async () => {
      await engine.close();
      await restore(BDF.nvme);
    },
  };
}

describeVirtualizedWays('the real kernel', open);
describeMappedDecoding('the real kernel', open);
