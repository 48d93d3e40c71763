import { argumentError } from '../lib/base/arguments.js';
import { invalidArgument } from '../lib/base/errors.js';
import { importModule } from '../lib/base/import-module.js';
import { answerOfError, answerOfValue, cloneableError, type DriverAnswer } from '../lib/pool/driver-answer.js';
import type { DriverTask } from '../lib/pool/driver-task.js';
import type { RegionDescriptor } from '../lib/region/descriptor.js';
import type { RegionAccess } from '../lib/region/region-access.js';

/** What a driver function gets. Thread: the function's own; it may block. */
export interface DriverContext {
  /** Returns synchronous access to a region of the device. @throws ERR_INVALID_ARGUMENT if the device lacks the region */
  region(regionIndex: number): RegionAccess;
  /** The option `buffers` of the caller, shared with it. */
  readonly buffers: Readonly<Record<string, SharedArrayBuffer>>;
  /** A copy of the option `args` of the caller. */
  readonly args: unknown;
}

/** The default export of a module that `Device.runDriver` runs. It returns a value, or a promise of one. */
export type DriverFunction = (context: DriverContext) => unknown;

/**
 * Replaces an error that ends the thread if it cannot be copied to the main thread, such as an AbortError: it would arrive there
 * as an empty object. Handlers of the user keep their turn.
 */
process.on('uncaughtExceptionMonitor', () => {
  if (process.listenerCount('uncaughtException') > 0) return;
  process.once('uncaughtException', (error) => {
    throw cloneableError(error);
  });
});

/** A Piscina task: loads the user's module, calls its default export and returns how that ended. */
export default async function run(task: DriverTask): Promise<DriverAnswer> {
  try {
    const module = (await importModule(task.module)) as { default?: DriverFunction };
    if (typeof module.default !== 'function')
      throw invalidArgument(`the default export of ${task.module} must be a function`);
    // Here, so that the caller learns why the addon could not be loaded.
    const { RegionAccess } = await import('../lib/region/region-access.js');
    return answerOfValue(await module.default(contextOf(task, (descriptor) => new RegionAccess(descriptor))));
  } catch (error) {
    return answerOfError(error);
  }
}

function contextOf(task: DriverTask, open: (descriptor: RegionDescriptor) => RegionAccess): DriverContext {
  const opened = new Map<number, RegionAccess>();
  return {
    region(regionIndex) {
      const known = opened.get(regionIndex);
      if (known !== undefined) return known;
      const descriptor = task.regions.find((candidate) => candidate.regionIndex === regionIndex);
      if (descriptor === undefined)
        throw argumentError(
          'regionIndex',
          `a region of the device (${task.regions.map((each) => each.regionIndex).join(', ')})`,
          regionIndex,
        );
      const access = open(descriptor);
      opened.set(regionIndex, access);
      return access;
    },
    buffers: task.buffers,
    args: task.args,
  };
}
