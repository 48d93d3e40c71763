import type { Command } from 'commander';

import type { Device } from '../../device/device.js';
import type { Engine } from '../../engine/engine.js';
import { parseCount, parseSeconds } from '../arguments.js';
import { EXIT_FAILED, reportFailure } from '../failure-report.js';
import { addAttachOptions, withEngine, type AttachOptions } from '../session.js';
import { poolSettings } from '../../pool/options.js';
import { runJob } from './job.js';
import { showProgress } from './progress.js';
import { emptyTally, isVerified, printReport, type RunReport, type Tally } from './report.js';

interface RunOptions extends AttachOptions {
  readonly device: readonly string[];
  readonly workers: number;
  readonly seconds: number;
  readonly json?: boolean;
}

/** The software machine's devices. */
const DEFAULT_DEVICES = ['edu', 'testdev'];
const EXIT_INTERRUPTED = 130;

/** Adds `run`, the main job. */
export function addRunCommand(program: Command): void {
  const command = program
    .command('run')
    .description('work devices for a time: mapped and trapped accesses, DMA, interrupts; check everything and report')
    .option('--device <names...>', 'devices to attach', DEFAULT_DEVICES)
    .option('--workers <count>', 'I/O workers; a device keeps to one', parseCount, poolSettings().workers)
    .option('--seconds <seconds>', 'how long, a quarter of it at rest', parseSeconds, 3)
    .option('--json', 'print the report as one line of JSON');
  addAttachOptions(command).action(run);
}

async function run(options: RunOptions): Promise<void> {
  const tally = emptyTally();
  const interrupted = new AbortController();
  // The second Ctrl-C ends the process at once, as the first would have.
  process.once('SIGINT', () => interrupted.abort());
  const stopProgress = showProgress(tally, process.stderr);
  let report: RunReport;
  try {
    report = await withEngine(options.workers, (engine) => work(engine, options, tally, interrupted.signal));
  } finally {
    stopProgress();
  }
  printReport(report, options.json === true);
  if (!isVerified(report)) process.exitCode = EXIT_FAILED;
  else if (interrupted.signal.aborted) process.exitCode = EXIT_INTERRUPTED;
}

async function work(engine: Engine, options: RunOptions, tally: Tally, abort: AbortSignal): Promise<RunReport> {
  const { device: names, backend, workers, seconds } = options;
  const devices: Device[] = [];
  // The engine's close detaches them.
  for (const name of names) devices.push(await engine.attach(name, { backend, busMaster: true }));
  let told = false;
  const onFailure = (error: unknown): void => {
    if (!told) reportFailure(error, false);
    told = true;
  };
  return runJob(devices, { seconds, workers, tally, abort, onFailure });
}
