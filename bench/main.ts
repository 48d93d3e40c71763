import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import Table from 'cli-table3';
import { Command } from 'commander';

import type { CaseResult, CaseSamples } from './case.js';
import { compareReports } from './compare.js';
import { caseNames, loadCase } from './find-case.js';
import { readReport } from './report/report-file.js';
import { barOf, meetsBar, summarize } from './summary.js';

/** The whole of a run, as `--json FILE` writes it. */
export interface BenchReport {
  readonly commit: string;
  readonly node: string;
  readonly cpu: string;
  /** When, in ISO 8601. */
  readonly date?: string;
  readonly cases: readonly CaseResult[];
}

interface Options {
  readonly json?: string;
  readonly compare?: string;
  readonly rounds: string;
}

const here = dirname(fileURLToPath(import.meta.url));
/** A case that takes longer hangs. */
const CASE_DEADLINE_MS = 300_000;

const command = new Command('bench')
  .description('Measures every case against its C baseline, in turns, each case in a process of its own.')
  .argument('[case...]', 'names of cases; all when none is given')
  .option('--json <file>', 'write the results to a file')
  .option('--compare <file>', 'show what got worse since the results in a file')
  .option('--rounds <count>', 'how often each side is measured', '15');

await main(command.parse().args, command.opts<Options>());

async function main(names: string[], options: Options): Promise<void> {
  const cases: CaseResult[] = [];
  for (const name of names.length > 0 ? names : caseNames()) {
    try {
      const result = await runCase(name, options.rounds);
      cases.push(result);
      console.error(`${name}: ratio ${result.ratio.toFixed(2)}${meetsBar(result) ? '' : ' OVER ITS BAR'}`);
    } catch (error) {
      // What the others measured is not lost.
      console.error(`${name}: FAILED: ${String(error)}`);
      process.exitCode = 1;
    }
  }
  const machine = { node: process.version, cpu: cpus()[0]?.model ?? 'unknown' };
  const report: BenchReport = { commit: commit(), ...machine, date: new Date().toISOString(), cases };
  console.log(table(cases));
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
  if (options.compare !== undefined) {
    console.log(compareReports(readReport(options.compare), report, names));
  }
}

async function runCase(name: string, rounds: string): Promise<CaseResult> {
  const benchCase = await loadCase(name);
  const child = fork(join(here, 'run-case.js'), [name, rounds], { execArgv: ['--expose-gc'] });
  const signal = AbortSignal.timeout(CASE_DEADLINE_MS);
  const ended = once(child, 'exit');
  try {
    const first = await Promise.race([once(child, 'message', { signal }), ended]);
    const answer = first[0] as CaseSamples | number | null;
    if (typeof answer !== 'object' || answer === null) throw new Error(`the case ${name} ended with code ${answer}`);
    return summarize(benchCase, answer);
  } finally {
    child.kill();
    await ended;
  }
}

function table(cases: readonly CaseResult[]): string {
  const rows = new Table({ head: ['case', 'value', 'C', 'ratio', 'bar', 'p99', 'spread'], style: { head: [] } });
  for (const result of cases) {
    rows.push([
      result.name,
      `${result.value.toFixed(2)} ${result.unit}`,
      `${result.baseline.toFixed(2)} ${result.unit}`,
      result.ratio.toFixed(2),
      `${barOf(result)}${meetsBar(result) ? '' : '  OVER'}`,
      result.p99.toFixed(2),
      `${(result.spread.subject * 100).toFixed(0)} % / ${(result.spread.baseline * 100).toFixed(0)} %`,
    ]);
  }
  return rows.toString();
}

function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', 'HEAD'], { cwd: here, encoding: 'utf8' }).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'unknown: no git on this machine';
    return 'unknown: not a git checkout';
  }
}
