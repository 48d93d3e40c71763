import type { Command } from 'commander';

import type { Device } from '../../device/device.js';
import type { Engine } from '../../engine/engine.js';
import { parseCount, parseSeconds, parseSeed } from '../arguments.js';
import { EXIT_FAILED, reportFailure } from '../failure-report.js';
import { addBackendOption, withEngine, type BackendOption } from '../session.js';
import { startFaults } from './faults.js';
import { runJob } from './job.js';
import { showProgress } from './progress.js';
import { emptyTally, printReport, verdictOf, type RunReport, type Tally } from './report.js';

interface RunOptions extends BackendOption {
  readonly device: readonly string[];
  readonly workers?: number;
  readonly seconds: number;
  readonly json?: boolean;
  readonly faults?: number;
}

/** The devices of the software machine. */
const DEFAULT_DEVICES = ['edu', 'testdev'];
const EXIT_INTERRUPTED = 130;

/** Adds `run`, the main job. */
export function addRunCommand(program: Command): void {
  const command = program
    .command('run')
    .description('run the main job: mapped and trapped accesses, DMA and interrupts, all of it verified, then a report')
    .option('--device <names...>', 'devices to attach', DEFAULT_DEVICES)
    .option('--workers <count>', 'I/O workers; each device uses one (default: a quarter of the CPUs)', parseCount)
    .option('--seconds <seconds>', 'how long; a quarter of it is idle, for comparison', parseSeconds, 3)
    .option('--faults <seed>', 'inject random faults; the same seed injects the same faults', parseSeed)
    .option('--json', 'print the report as one line of JSON');
  addBackendOption(command).action(run);
}

async function run(options: RunOptions): Promise<void> {
  const { poolSettings } = await import('../../pool/options.js');
  const workers = options.workers ?? poolSettings().workers;
  const tally = emptyTally();
  const interrupted = new AbortController();
  // Only the first Ctrl-C ends the run in order: the second one ends the process at once.
  process.once('SIGINT', () => interrupted.abort());
  const stopProgress = showProgress(tally, process.stderr);
  const faults = options.faults === undefined ? undefined : await startFaults(options.faults);
  let report: RunReport;
  try {
    const use = (engine: Engine): Promise<RunReport> =>
      work(engine, { ...options, workers }, tally, interrupted.signal);
    report = await withEngine(workers, use, faults?.plan);
  } finally {
    stopProgress();
    faults?.tell();
  }
  printReport(faults === undefined ? report : { ...report, faults: faults.plan.counts }, options.json === true);
  const verdict = verdictOf(report);
  // A run that is interrupted early has not done all of its work.
  if (verdict !== 'wrong' && interrupted.signal.aborted) process.exitCode = EXIT_INTERRUPTED;
  else if (verdict !== 'verified') process.exitCode = EXIT_FAILED;
}

async function work(
  engine: Engine,
  options: RunOptions & { readonly workers: number },
  tally: Tally,
  abort: AbortSignal,
): Promise<RunReport> {
  const { device: names, backend, workers, seconds } = options;
  const devices: Device[] = [];
  // Closing the engine detaches them.
  for (const name of names) devices.push(await engine.attach(name, { backend, busMaster: true }));
  let reported = false;
  const onFailure = (error: unknown): void => {
    if (!reported) reportFailure(error, false);
    reported = true;
  };
  return runJob(devices, { seconds, workers, tally, abort, onFailure });
}
