import type { DriverContext, RegionAccess } from '../../../lib/index.js';
import { Program } from '../../../lib/region/program.js';
import { sum, type Tally, WordUser, type Words } from './word-user.js';

/** The words that a storm accesses. */
export interface StormWords {
  readonly regionIndex: number;
  /** The words of the accessor and of the raw view, of programs, and of the lane. */
  readonly offsets: readonly [accessor: number, program: number, lane: number];
  /** The values of words that are only read; without them the words keep what is written. */
  readonly constants?: readonly number[];
}

/** The words of the storm's control buffer. */
export const STOP = 0;
export const ROUNDS_DONE = 1;

/** Accesses two words of a region until it is told to stop: one by the accessor and a view, one by programs. */
export default function stormDriver(context: DriverContext): Tally {
  const { buffers, args } = context;
  const { regionIndex, offsets, constants } = args as StormWords;
  const access = context.region(regionIndex);
  const control = new Int32Array(buffers['control'] as SharedArrayBuffer);
  const bytes = access.areas[0]?.view;
  if (bytes === undefined) throw new Error('the region is not mapped');
  const view = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const byAccessor = new WordUser(offsets[0], constants);
  const byProgram = new WordUser(offsets[1], constants);
  const checked = {
    read: (at: number) => access.read32(at),
    write: (at: number, value: number) => access.write32(at, value),
  };
  const programs = programsOf(access);
  while (Atomics.load(control, STOP) === 0) {
    for (let round = 0; round < 16; round += 1) {
      byAccessor.useChecked(checked);
      byAccessor.look(view);
    }
    byProgram.useChecked(programs);
    Atomics.add(control, ROUNDS_DONE, 1);
  }
  return sum(byAccessor.tally, byProgram.tally);
}

function programsOf(access: RegionAccess): Words {
  return {
    read: (offset) => {
      const program = new Program(access);
      const step = program.read32(offset);
      program.run();
      return program.value(step);
    },
    write: (offset, value) => {
      const program = new Program(access);
      program.write32(offset, value);
      program.run();
    },
  };
}
