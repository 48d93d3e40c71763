/** Where the two sides part in a program: the call, and what each answered. */
export interface Difference {
  readonly index: number;
  readonly what: string;
  readonly real: unknown;
  readonly software: unknown;
}

/** The program up to where the sides part, one call a line, with the answers there. */
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
