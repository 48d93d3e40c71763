import { readFileSync } from 'node:fs';

import type { BenchReport } from '../main.js';

/** Reads what `--json FILE` wrote. @throws Error that names the file and what is wrong with it */
export function readReport(path: string): BenchReport {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new Error(`${path}: ${(cause as Error).message}`, { cause });
  }
  const { cases, commit, node, cpu } = (content ?? {}) as Partial<Record<keyof BenchReport, unknown>>;
  const whole = [commit, node, cpu].every((fact) => typeof fact === 'string') && Array.isArray(cases);
  if (!whole || !(cases as unknown[]).every(isResult)) {
    throw new Error(`${path} is no result of a benchmark: make one by \`npm run bench -- --json FILE\``);
  }
  return content as BenchReport;
}

function isResult(value: unknown): boolean {
  const { name, unit, spread, ...rest } = (value ?? {}) as Record<string, unknown>;
  const { subject, baseline } = (spread ?? {}) as Record<string, unknown>;
  const numbers = [rest['value'], rest['baseline'], rest['ratio'], rest['p50'], rest['p99'], subject, baseline];
  return typeof name === 'string' && typeof unit === 'string' && numbers.every((each) => typeof each === 'number');
}
