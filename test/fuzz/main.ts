import { Command } from 'commander';

import { inParallel } from '../support/native-program.js';
import { requireClang } from './clang.js';
import { keepInputs, prepare, runFuzzer, runInput, type Outcome } from './fuzzer.js';
import { nativeTargets, scriptTargets } from './targets.js';

interface Options {
  readonly seconds: string;
  readonly target?: string;
  readonly jobs: string;
  readonly input?: string;
  readonly keep?: true;
}

const TARGETS = [...Object.keys(nativeTargets), ...Object.keys(scriptTargets)];

const command = new Command('fuzz')
  .description('Fuzzes the code that reads what others wrote: lanes, vfio-user messages, capability chains.')
  .option('--seconds <count>', 'how long each target runs', '20')
  .option('--target <name>', `one of ${TARGETS.join(', ')}; default all`)
  .option('--jobs <count>', 'how many targets run at a time', '2')
  .option('--input <file>', 'run one input of --target, and print what it violates')
  .option('--keep', 'add the inputs that were found to test/fuzz/corpus, as few as reach the same branches');

process.exitCode = await main(command.parse().opts<Options>());

async function main({ seconds, target, jobs, input, keep }: Options): Promise<number> {
  if (target !== undefined && !TARGETS.includes(target)) command.error(`--target must be one of ${TARGETS.join(', ')}`);
  if (!(Number(seconds) > 0 && Number(jobs) > 0)) command.error('--seconds and --jobs must be above 0');
  if (input !== undefined && target === undefined) command.error('--input needs --target');
  const compiler = requireClang();
  const names = target === undefined ? TARGETS : [target];
  // One after the other, because each build uses all CPUs.
  const prepared = await inParallel(names, (name) => prepare(name, compiler), 1);
  const [first] = prepared;
  if (input !== undefined && first !== undefined) return runInput(first, input);
  const outcomes = await inParallel(prepared, (one) => runFuzzer(one, Number(seconds)), Number(jobs));
  if (keep) await inParallel(prepared, keepInputs, 1);
  outcomes.forEach(report);
  return outcomes.every(({ crash }) => crash === undefined) ? 0 : 1;
}

function report({ name, runs, edges, features, inputs, seconds, crash, log }: Outcome): void {
  const speed = Math.round(runs / Math.max(1, seconds));
  console.log(`${name}: ${runs} runs, ${speed} a second, ${edges} branches, ${features} features, ${inputs} inputs`);
  if (crash === undefined) return;
  console.log(`${name}: FOUND, in ${log}. Run it again: npm run fuzz -- --target ${name} --input ${crash}`);
}
