import assert from 'node:assert/strict';

/** Calls a method as plain JavaScript does, without a compiler's checks. @returns the error that it fails with */
async function failureOf(target: object, method: string, args: readonly unknown[]): Promise<unknown> {
  const methods = target as Record<string, (...args: readonly unknown[]) => unknown>;
  try {
    await methods[method]!(...args);
  } catch (error) {
    return error;
  }
  return assert.fail(`${method}(${args.map(String).join(', ')}) did not fail`);
}

/** A method, the arguments that it is called with, and the message of the error, whole or a pattern of it. */
export type Row = readonly [name: string, method: string, args: readonly unknown[], message: RegExp | string];

/** Makes a test of each row: the call fails with ERR_INVALID_ARGUMENT and the message. */
export function refuses(target: () => object, rows: readonly Row[]): void {
  for (const [name, method, args, message] of rows) {
    it(`${method}: ${name}`, async () => {
      const error = (await failureOf(target(), method, args)) as Error & { code?: string };
      assert.equal(error.code, 'ERR_INVALID_ARGUMENT', String(error.stack));
      if (typeof message === 'string') assert.equal(error.message, message);
      else assert.match(error.message, message);
    });
  }
}
