import { invalidArgument } from '../lib/base/errors.js';
import { answerOfError, answerOfValue, type DriverAnswer } from '../lib/pool/driver-answer.js';
import type { DriverTask } from '../lib/pool/driver-task.js';
import { RegionAccess } from '../lib/region/region-access.js';

/** What a driver function gets. Thread: the driver's own; it may block. */
export interface DriverContext {
  /** Gives synchronous access to a region. @throws ERR_INVALID_ARGUMENT for an index the device does not have */
  region(regionIndex: number): RegionAccess;
  /** DMA memory by the name that the caller gave it. */
  readonly buffers: Readonly<Record<string, SharedArrayBuffer>>;
  readonly args: unknown;
}

export type DriverFunction = (context: DriverContext) => unknown;

/** A Piscina task: loads the user's module and runs its default export. */
export default async function run(task: DriverTask): Promise<DriverAnswer> {
  try {
    const module = (await import(task.module)) as { default?: DriverFunction };
    if (typeof module.default !== 'function')
      throw invalidArgument(`${task.module} has no default export that is a function`);
    return answerOfValue(await module.default(contextOf(task)));
  } catch (error) {
    return answerOfError(error);
  }
}

function contextOf(task: DriverTask): DriverContext {
  const opened = new Map<number, RegionAccess>();
  return {
    region(regionIndex) {
      const known = opened.get(regionIndex);
      if (known !== undefined) return known;
      const descriptor = task.regions.find((candidate) => candidate.regionIndex === regionIndex);
      if (descriptor === undefined) throw invalidArgument(`the device has no region ${regionIndex}`);
      const access = new RegionAccess(descriptor);
      opened.set(regionIndex, access);
      return access;
    },
    buffers: task.buffers,
    args: task.args,
  };
}
