/** Loads the addon while one of its allocations fails: that which `process.argv` counts. Prints a line of `sweep`. */
import { VfioError } from '../../lib/base/errors.js';
import { errnoNumber } from '../../lib/uapi/errno.js';
import { FailingCalls } from '../support/failing-calls.js';

const left = Number(process.argv[2]);
const failing = new FailingCalls();
failing.arm('allocations', left, errnoNumber('ENOMEM'));
const error = await import('../../lib/native/addon.js').then(
  () => undefined,
  (reason: unknown) => reason,
);
const failed = failing.disarm();
console.log(JSON.stringify({ left, failed, error: error instanceof VfioError ? error.message : error }));
