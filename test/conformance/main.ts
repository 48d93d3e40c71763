import { randomInt } from 'node:crypto';

import { Command, Option } from 'commander';
import fc from 'fast-check';

import { compare, type Divergence } from './compare.js';
import { runDmaPrograms } from './dma/run.js';
import { type Call, programs, type Topic, TOPICS } from './program.js';
import { replay } from './difference.js';
import { openWorlds } from './worlds.js';

interface Options {
  readonly seed: string;
  readonly sequences: string;
  readonly calls: string;
  readonly topic?: Topic;
  readonly json?: true;
  readonly dma?: true;
}

/** How many programs fast-check runs at a time. Each batch has its own seed. */
const BATCH = 500;
/** While a program is shrunk, a line is printed after this many runs. */
const SHRINK_REPORT = 50;
/** The run ends after this many divergences. */
const MOST_DIVERGENCES = 20;

interface Report {
  sequences: number;
  calls: number;
  readonly divergences: { readonly program: readonly Call[]; readonly divergence: Divergence }[];
  readonly accepted: Record<string, number>;
  /** How often the real kernel gave each answer. */
  readonly answers: Record<string, number>;
}

const command = new Command('conformance')
  .description('Compares the software core with the real kernel, call by call. Runs inside the guest.')
  .option('--seed <number>', 'seed of the programs', String(randomInt(2 ** 31)))
  .option('--sequences <count>', 'how many programs', '1000')
  .option('--calls <count>', 'the most calls of a program', '40')
  .addOption(new Option('--topic <name>', 'programs of one topic alone').choices(TOPICS))
  .option('--dma', 'programs of maps, unmaps, dirty tracking and DMA of edu, with memory compared')
  .option('--json', 'end with one line of JSON');

await run(command.parse().opts<Options>());

function run(options: Options): Promise<void> {
  if (options.dma !== true) return main(options);
  const { seed, sequences, json } = options;
  return runDmaPrograms({ seed: Number(seed), sequences: Number(sequences), json: json === true });
}

async function main(options: Options): Promise<void> {
  const seed = Number(options.seed);
  console.log(`seed ${seed}`);
  const topics = options.topic === undefined ? TOPICS : [options.topic];
  const report: Report = { sequences: 0, calls: 0, divergences: [], accepted: {}, answers: {} };
  const worlds = await openWorlds();
  try {
    for (let batch = 0; report.sequences < Number(options.sequences); batch++) {
      const count = Math.min(BATCH, Number(options.sequences) - report.sequences);
      await runBatch(report, worlds, { seed: seed + batch, count, calls: Number(options.calls), topics });
      console.log(`${report.sequences} sequences, ${report.calls} calls, ${report.divergences.length} divergences`);
      if (report.divergences.length >= MOST_DIVERGENCES) break;
    }
  } finally {
    await worlds.close();
  }
  for (const found of report.divergences) console.log(replay(found.program, found.divergence));
  if (options.json) console.log(JSON.stringify({ seed, ...report, divergences: report.divergences.length }));
  process.exitCode = report.divergences.length === 0 ? 0 : 1;
}

/** Adds one to the count of each name. */
function count(counts: Record<string, number>, names: readonly string[]): void {
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
}

type Worlds = Awaited<ReturnType<typeof openWorlds>>;

/** Runs programs until the sides differ. fast-check then shrinks that program. */
async function runBatch(
  report: Report,
  worlds: Worlds,
  batch: {
    readonly seed: number;
    readonly count: number;
    readonly calls: number;
    readonly topics: readonly Topic[];
  },
): Promise<void> {
  let shrinking = false;
  let shrinkRuns = 0;
  const property = fc.asyncProperty(programs(batch.calls, batch.topics), async (program) => {
    const result = await compare(program, worlds.real, worlds.software);
    if (!shrinking) {
      report.sequences++;
      report.calls += result.answers.length;
      count(report.accepted, result.accepted);
      count(report.answers, result.answers);
    }
    // Printed before it is shrunk, because shrinking can take minutes.
    if (result.divergence !== undefined && !shrinking) console.log(`shrinking a ${replay(program, result.divergence)}`);
    if (result.divergence !== undefined) shrinking = true;
    // The guest is stopped when it prints nothing for minutes.
    if (shrinking && (shrinkRuns += 1) % SHRINK_REPORT === 0) console.log(`shrinking, ${shrinkRuns} runs`);
    return result.divergence === undefined;
  });
  const details = await fc.check(property, { seed: batch.seed, numRuns: batch.count });
  if (!details.failed) return;
  const [program] = details.counterexample ?? [[]];
  const again = await compare(program, worlds.real, worlds.software);
  if (again.divergence === undefined) throw new Error(`the divergence did not occur again: ${JSON.stringify(program)}`);
  report.divergences.push({ program, divergence: again.divergence });
}
