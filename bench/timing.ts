/** Runs `body`, which makes `operations` of them, and gives nanoseconds for each. */
export function nanosecondsEach(operations: number, body: () => void): number {
  const start = process.hrtime.bigint();
  body();
  return Number(process.hrtime.bigint() - start) / operations;
}
