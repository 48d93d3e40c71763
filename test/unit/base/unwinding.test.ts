import assert from 'node:assert/strict';

import { systemError, VfioError } from '../../../lib/base/errors.js';
import { throwFirst, Unwinding } from '../../../lib/base/unwinding.js';

describe('Unwinding', () => {
  it('runs all steps in reverse order, once', async () => {
    const undo = new Unwinding();
    const done: number[] = [];
    for (const step of [1, 2, 3]) {
      undo.push(() => {
        done.push(step);
        if (step === 2) throw systemError('EIO', 'close');
      });
    }
    assert.equal((await undo.run()).length, 1);
    assert.deepEqual(done, [3, 2, 1]);
    assert.deepEqual(await undo.run(), []);
  });

  it('returns the failure, with the errors of the steps as its cause', async () => {
    const undo = new Unwinding();
    const later = systemError('EIO', 'close');
    undo.push(() => Promise.reject(later));
    const failure = systemError('EBUSY', 'open', { device: 'edu', hint: 'wait' });
    const error = await undo.failed(failure);
    assert.ok(error instanceof VfioError);
    assert.equal(error.code, 'EBUSY');
    assert.equal(error.message, failure.message);
    assert.equal(error.stack, failure.stack);
    assert.ok(error.cause instanceof AggregateError);
    assert.deepEqual(error.cause.errors, [later]);
  });

  it('returns the failure itself if no step fails', async () => {
    const failure = systemError('EBUSY', 'open');
    assert.equal(await new Unwinding().failed(failure), failure);
  });

  it('has no steps left after they moved to a new owner', async () => {
    const undo = new Unwinding();
    let undone = 0;
    undo.push(() => void (undone += 1));
    const owner = undo.release();
    await undo.run();
    assert.equal(undone, 0);
    await owner.run();
    assert.equal(undone, 1);
  });

  it('throws the first of several errors and keeps its cause', () => {
    assert.doesNotThrow(() => throwFirst([]));
    const cause = new Error('why');
    const errors = [systemError('EIO', 'a', { cause }), systemError('EBADF', 'b')];
    assert.throws(
      () => throwFirst(errors),
      (error: VfioError) => {
        assert.equal(error.code, 'EIO');
        assert.deepEqual((error.cause as AggregateError).errors, [cause, errors[1]]);
        return true;
      },
    );
  });
});
