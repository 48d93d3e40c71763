import { Program } from '../../lib/region/program.js';
import { baseline } from '../baseline.js';
import type { BenchCase } from '../case.js';
import { expectEqual, openMemoryRegion } from '../memory.js';
import { nanosecondsEach } from '../timing.js';

const COMMANDS = 1000;
/** What a command takes on a fast device. */
const WORK_NS = 10_000;
const COMMAND = 0;
const STATUS = 64;
const TIMEOUT_MS = 1000;
const ALL_BITS = 0xffff_ffff;

/** A command and the wait for its end: in one program, against a store and a loop of loads. The device is a thread of C. */
const pollUntil: BenchCase = {
  name: 'poll-until',
  title: 'a command to a device that takes 10 us for it: a write, and polling until it is done',
  unit: 'ns',
  bar: 1.05,
  async prepare() {
    const region = await openMemoryRegion(4096, 'mapped');
    const status = new Uint32Array(region.memory, STATUS, 1);
    const program = new Program(region, 2);
    let command = 0;
    baseline.startDevice(region.bytes, WORK_NS);
    return {
      // A cost for each command: the device's thread may lose its core to somebody else's, and a mean would show that.
      subject: () => {
        const costs = Array.from({ length: COMMANDS }, () =>
          nanosecondsEach(1, () => {
            program.clear().write32(COMMAND, ++command);
            program.pollUntil(STATUS, { width: 4, mask: ALL_BITS, value: command }, TIMEOUT_MS);
            program.run();
          }),
        );
        expectEqual('what the device has done', Atomics.load(status, 0), command);
        return costs;
      },
      baseline: () => Array.from({ length: COMMANDS }, () => baseline.commandLoop(++command, 1)),
      close: async () => {
        baseline.stopDevice();
        await region.close();
      },
    };
  },
};

export default pollUntil;
