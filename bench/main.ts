// `npm run bench -- [case...]`: measures the cases against their baselines. See README.md.
import { writeFileSync } from 'node:fs';

import { Command, InvalidArgumentError } from 'commander';

import type { RunSettings } from './harness/case.js';
import { measureCase } from './harness/case-process.js';
import { compareReports } from './harness/compare.js';
import { caseNames, loadCase } from './harness/find-case.js';
import { makeReport, readReport } from './harness/report-file.js';
import { meetsBar, toResult, type CaseResult } from './harness/result.js';
import { resultTable } from './harness/table.js';

interface Options {
  readonly json?: string;
  readonly compare?: string;
  readonly rounds: number;
  readonly smoke?: true;
}

const WARM_UP_ROUNDS = 3;
const MIN_TIME_MS = 50;
/** One sample of each side, as short as it can be. */
const SMOKE: RunSettings = { rounds: 1, warmUpRounds: 0, minTimeMs: 0.001 };

const command = new Command('bench')
  .description('Measures each case against its baseline. The two sides alternate in a process of their own.')
  .argument('[case...]', 'names of cases; default: all')
  .option('--json <file>', 'write the results to a file')
  .option('--compare <file>', 'list the cases that are slower than in the results of a file')
  .option('--rounds <count>', 'how many samples are taken of each side', parseRounds, 15)
  .option('--smoke', 'run each case once for a moment; report failures but no times')
  .parse();

const names = command.args.length > 0 ? command.args : caseNames();
const options = command.opts<Options>();
await (options.smoke === true ? smoke() : measure());

/** Runs every case once. The sides check their own work; the times mean nothing. */
async function smoke(): Promise<void> {
  for (const name of names) {
    const done = await attempt(name, () => measureCase(name, SMOKE));
    if (done !== undefined) console.log(`${name}: ran`);
  }
}

async function measure(): Promise<void> {
  const before = options.compare === undefined ? undefined : readReport(options.compare);
  const settings = { rounds: options.rounds, warmUpRounds: WARM_UP_ROUNDS, minTimeMs: MIN_TIME_MS };
  const cases: CaseResult[] = [];
  for (const name of names) {
    const result = await attempt(name, async () => toResult(await loadCase(name), await measureCase(name, settings)));
    if (result === undefined) continue;
    cases.push(result);
    console.error(`${name}: ratio ${result.ratio.toFixed(2)}${meetsBar(result) ? '' : ' OVER ITS BAR'}`);
  }
  const report = makeReport(cases);
  console.log(resultTable(cases));
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
  if (before !== undefined) console.log(compareReports(before, report, command.args));
}

/** Reports a failed case and goes on: the results of the other cases stay useful. */
async function attempt<T>(name: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    console.error(`${name}: FAILED: ${String(error)}`);
    process.exitCode = 1;
    return undefined;
  }
}

function parseRounds(text: string): number {
  const rounds = Number(text);
  if (!Number.isSafeInteger(rounds) || rounds < 1) {
    throw new InvalidArgumentError(`It must be an integer of at least 1. Received ${text}.`);
  }
  return rounds;
}
