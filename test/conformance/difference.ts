/** The first call after which the two sides differ, and the state of each. */
export interface Difference {
  /** Of the call, in its program. */
  readonly index: number;
  /** The kind of state that differs. */
  readonly what: string;
  readonly real: unknown;
  readonly software: unknown;
}

/** Shows the program up to the difference, one call a line, and the two states. */
export function replay(program: readonly object[], divergence: Difference): string {
  const show = (value: unknown) =>
    JSON.stringify(value, (_, v: unknown) => (typeof v === 'bigint' ? `0x${v.toString(16)}` : v));
  const lines = program.slice(0, divergence.index + 1).map((call) => `  ${show(call)}`);
  return [
    `divergence (${divergence.what}):`,
    ...lines,
    `    real      ${show(divergence.real)}`,
    `    software  ${show(divergence.software)}`,
  ].join('\n');
}
