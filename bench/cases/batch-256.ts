import { addon } from '../../lib/native/addon.js';
import { Program } from '../../lib/region/program.js';
import { baseline, useEngine } from '../baseline/addon.js';
import type { BenchCase } from '../harness/case.js';
import { expectEqual, openMemoryRegion } from '../fixtures/memory-region.js';

const BATCHES = 2000;
const GROUPS = 32;
const GROUP_BYTES = 64;
const STEPS = 8 * GROUPS;

/** Programs of 256 steps, filled anew each time. The same native code runs them for both sides. */
const batch256: BenchCase = {
  name: 'batch-256',
  title: 'one step of a program of 256 mixed steps that is filled, run in one call and read back',
  unit: 'ns',
  bar: 2,
  async prepare() {
    useEngine();
    const region = await openMemoryRegion(4096, 'mapped');
    const program = new Program(region, STEPS);
    const reach = addon.programCreate(new SharedArrayBuffer(0));
    const number = addon.reachAddRegion(reach, region.descriptor.handle);
    const operations = BATCHES * STEPS;
    let wrong = 0;
    return {
      subject: {
        operations,
        run: () => {
          for (let value = 0; value < BATCHES; value++) {
            fill(program, value);
            program.run();
            if (reap(program) !== GROUPS * value + (GROUPS * (GROUPS - 1)) / 2) wrong++;
          }
        },
        after: () => expectEqual('the number of wrong batches', wrong, 0),
      },
      baseline: { operations, run: () => baseline.batch(reach, number, BATCHES) },
      close: () => region.close(),
    };
  },
};

/** Registers that are not written read as 0. The last step of a group reads the value that its second step wrote. */
function fill(program: Program, value: number): void {
  program.clear();
  for (let group = 0; group < GROUPS; group++) {
    const base = group * GROUP_BYTES;
    program.read32(base);
    program.write32(base + 4, value + group);
    program.read16(base + 8);
    program.write16(base + 12, value);
    program.read8(base + 16);
    program.write8(base + 20, value);
    program.modify32(base + 24, 0xff, value);
    program.read32(base + 4);
  }
}

function reap(program: Program): number {
  let sum = 0;
  for (let step = 0; step < STEPS; step += 8) {
    sum += program.value(step) + program.value(step + 2);
    sum += program.value(step + 4) + program.value(step + 7);
  }
  return sum;
}

export default batch256;
