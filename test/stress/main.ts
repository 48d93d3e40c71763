import { randomInt } from 'node:crypto';

import { Command, Option } from 'commander';

import { runEpoch } from './epoch.js';
import { countHeld, noteLeaks } from './leaks.js';
import { newTally, type Tally } from './tally.js';
import { TARGETS } from './targets.js';

interface Options {
  readonly seconds: string;
  readonly seed: string;
  readonly kernel: keyof typeof TARGETS;
  readonly json?: true;
}

const WARM_UP_MS = 1000;
/** How much longer a run may take: operations that have begun end, and everything is closed. */
const GRACE_MS = 240_000;
const MOST_VIOLATIONS_SHOWN = 20;

const command = new Command('stress')
  .description(
    'Attaches, uses and detaches devices at random while workers and models are killed and faults are injected. ' +
      'Checks that nothing is lost, carried out twice or leaked.',
  )
  .option('--seconds <count>', 'how long', '10')
  .option('--seed <number>', 'seed of the random numbers', String(randomInt(2 ** 31)))
  .addOption(
    new Option('--kernel <name>', 'the software core, or the real kernel of the guest')
      .choices(Object.keys(TARGETS))
      .default('software'),
  )
  .option('--json', 'end with one line of JSON');

await main(command.parse().opts<Options>());

async function main({ seconds, seed, kernel, json }: Options): Promise<void> {
  console.log(`seed ${seed}`);
  const tally = newTally();
  const lifetimeMs = Number(seconds) * 1000;
  const watchdog = setTimeout(() => {
    console.error(`the run hangs: ${JSON.stringify(tally)}`);
    process.exit(3);
  }, lifetimeMs + GRACE_MS);
  process.on('unhandledRejection', (reason) => tally.violations.push(`unhandled: ${String(reason)}`));

  // A first epoch, because the process keeps some resources from then on: the threads of libuv and of the compiler.
  await run(kernel, 1, WARM_UP_MS, newTally());
  const before = await countHeld();
  const end = Date.now() + lifetimeMs;
  for (let epoch = 0; Date.now() < end; epoch++) {
    await run(kernel, (Number(seed) + epoch) >>> 0, end - Date.now(), tally);
    await noteLeaks(before, tally, `epoch ${epoch}`);
    if (!json) console.log(`${tally.attaches} attaches, ${tally.operations} operations`);
  }
  clearTimeout(watchdog);
  report(tally, { seed: Number(seed), seconds: Number(seconds), kernel }, json === true);
}

/** Runs one epoch, for `leftMs` at most. */
async function run(kernel: keyof typeof TARGETS, seed: number, leftMs: number, tally: Tally): Promise<void> {
  const target = await TARGETS[kernel]();
  try {
    await runEpoch({ target, seed, lifetimeMs: Math.min(leftMs, target.epochMs), tally });
  } finally {
    tally.leaked += await target.close();
  }
}

function report({ violations, ...counts }: Tally, facts: object, json: boolean): void {
  for (const violation of violations.slice(0, MOST_VIOLATIONS_SHOWN)) console.error(violation);
  const right = violations.length === 0 && counts.lost + counts.duplicated + counts.leaked === 0;
  const verified = right && counts.attaches > 0 && counts.operations > 0;
  const result = { ...facts, ...counts, violations: violations.length, verified };
  console.log(json ? JSON.stringify(result) : result);
  process.exitCode = verified ? 0 : 1;
}
