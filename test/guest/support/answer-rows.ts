import assert from 'node:assert/strict';

import { VfioError } from '../../../lib/base/errors.js';

/** One call, what Linux 6.12 answered to it, and the call itself. An answer is `0`, a value as text, or an errno name. */
export type Answer = readonly [call: string, answer: string, run: () => unknown];

/** Makes calls in this order, each a test: the state that one leaves is the next one's. */
export function answers(rows: readonly Answer[]): void {
  for (const [call, answer, run] of rows) {
    it(`${call} | ${answer}`, async () => {
      assert.equal(await answerOf(run), answer);
    });
  }
}

async function answerOf(run: () => unknown): Promise<string> {
  try {
    const value = await run();
    if (value === undefined) return '0';
    assert.ok(typeof value === 'number' || typeof value === 'bigint' || typeof value === 'string');
    return typeof value === 'string' ? value : value < 10 ? String(value) : `0x${value.toString(16)}`;
  } catch (error) {
    if (error instanceof VfioError && error.errno !== undefined) return error.code;
    throw error;
  }
}
