import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { CaseResult } from './result.js';

/** The results of one run, as `--json FILE` writes them. */
export interface BenchReport {
  readonly commit: string;
  readonly node: string;
  readonly cpu: string;
  /** When the run ended, in ISO 8601. */
  readonly date?: string;
  readonly cases: readonly CaseResult[];
}

/** Makes the report of a run on this machine. */
export function makeReport(cases: readonly CaseResult[]): BenchReport {
  const cpu = cpus()[0]?.model ?? 'unknown';
  return { commit: commit(), node: process.version, cpu, date: new Date().toISOString(), cases };
}

/** Reads a report. @throws Error that names the file and what is wrong with it */
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
    throw new Error(`${path} is not a benchmark report. \`npm run bench -- --json FILE\` writes one`);
  }
  return content as BenchReport;
}

function isResult(value: unknown): boolean {
  const { name, unit, spread, ...rest } = (value ?? {}) as Record<string, unknown>;
  const { subject, baseline } = (spread ?? {}) as Record<string, unknown>;
  const numbers = [rest['value'], rest['baseline'], rest['ratio'], rest['p50'], rest['p99'], subject, baseline];
  return typeof name === 'string' && typeof unit === 'string' && numbers.every((each) => typeof each === 'number');
}

function commit(): string {
  try {
    const cwd = dirname(fileURLToPath(import.meta.url));
    return execFileSync('git', ['rev-parse', 'HEAD'], { cwd, encoding: 'utf8' }).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'unknown: no git on this machine';
    return 'unknown: not a git checkout';
  }
}
