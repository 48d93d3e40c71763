import { Program } from '../../lib/region/program.js';
import { baseline } from '../baseline/addon.js';
import type { BenchCase } from '../harness/case.js';
import { expectEqual, openMemoryRegion } from '../fixtures/memory-region.js';

const COMMANDS = 1000;
/** How long a fast device works at a command. */
const WORK_NS = 10_000;
const COMMAND = 0;
const STATUS = 64;
const TIMEOUT_MS = 1000;
const ALL_BITS = 0xffff_ffff;

/** A command and the wait for its end: one program, compared with a store and a loop of loads. The device is a C thread. */
const pollUntil: BenchCase = {
  name: 'poll-until',
  title: 'a command to a device that takes 10 us for it: a write, then polling until it is done',
  unit: 'ns',
  bar: 1.05,
  async prepare() {
    const region = await openMemoryRegion(4096, 'mapped');
    const status = new Uint32Array(region.memory, STATUS, 1);
    const program = new Program(region, 2);
    let command = 0;
    const runCommand = (): void => {
      program.clear().write32(COMMAND, ++command);
      program.pollUntil(STATUS, { width: 4, mask: ALL_BITS, value: command }, TIMEOUT_MS);
      program.run();
    };
    baseline.startDevice(region.bytes, WORK_NS);
    return {
      // One cost per command, because the value must be their median: the device's thread can lose its core to another
      // process, which would move a mean.
      subject: {
        sample: () => Array.from({ length: COMMANDS }, () => costOf(runCommand)),
        after: () => expectEqual('the last command that the device finished', Atomics.load(status, 0), command),
      },
      baseline: { sample: () => Array.from({ length: COMMANDS }, () => baseline.command(++command)) },
      close: async () => {
        baseline.stopDevice();
        await region.close();
      },
    };
  },
};

/** Returns nanoseconds. */
function costOf(work: () => void): number {
  const start = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - start);
}

export default pollUntil;
