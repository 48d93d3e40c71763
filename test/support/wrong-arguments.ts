import assert from 'node:assert/strict';

/** A call as plain JavaScript makes it, where no compiler looks. @returns the error that it ends with */
async function failureOf(target: object, method: string, args: readonly unknown[]): Promise<unknown> {
  const methods = target as Record<string, (...args: readonly unknown[]) => unknown>;
  try {
    await methods[method]!(...args);
  } catch (error) {
    return error;
  }
  return assert.fail(`${method}(${args.map(String).join(', ')}) did not fail`);
}

/** What is called, with what, and what the error says. */
export type Row = readonly [name: string, method: string, args: readonly unknown[], message: RegExp];

/** Each is refused by a typed error that names what was wrong with it. */
export function refuses(target: () => object, rows: readonly Row[]): void {
  for (const [name, method, args, message] of rows) {
    it(`${method}: ${name}`, async () => {
      const error = (await failureOf(target(), method, args)) as Error & { code?: string };
      assert.equal(error.code, 'ERR_INVALID_ARGUMENT', String(error.stack));
      assert.match(error.message, message);
    });
  }
}
