import assert from 'node:assert/strict';

import { VfioError } from '../../../lib/base/errors.js';

/** Expects a typed error with a code, whose message and hint say what is in the way and what to do. */
export async function refuses(promise: Promise<unknown>, code: string, says: readonly string[]): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof VfioError, String(error));
    assert.equal(error.code, code, error.message);
    for (const text of says) assert.ok(error.message.includes(text), `'${error.message}' does not say '${text}'`);
    return true;
  });
}
