import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { Command } from 'commander';

import { Engine } from '../../lib/engine/engine.js';
import { VfioError } from '../../lib/base/errors.js';
import { SoftwareMachine } from '../../lib/software/machine/software-machine.js';
import { collectGarbage } from '../support/own-memory.js';
import { assertNothingLeft, quietResources } from '../support/resources.js';
import { type Random, randomOf } from './random.js';
import { steps } from './steps.js';
import { newTally, type Tally } from './tally.js';

interface Options {
  readonly seconds: string;
  readonly seed: string;
  readonly json?: true;
}

/** Two models in threads, one in a child process. */
const DEVICES = [
  { name: 'f000:00:04.0', placement: 'thread' },
  { name: 'f000:00:05.0', placement: 'thread' },
  { name: 'f000:00:06.0', placement: 'process' },
] as const;
/** How much longer a run may take: operations that have begun end, and everything is closed. */
const GRACE_MS = 60_000;

const command = new Command('stress')
  .description('Attaches, uses and detaches devices of the software core at random, while workers are killed.')
  .option('--seconds <count>', 'how long', '10')
  .option('--seed <number>', 'seed of the random numbers', String(randomInt(2 ** 31)))
  .option('--json', 'end with one line of JSON');

await main(command.parse().opts<Options>());

async function main({ seconds, seed, json }: Options): Promise<void> {
  console.log(`seed ${seed}`);
  const tally = newTally();
  const lifetime = Number(seconds) * 1000;
  const watchdog = setTimeout(() => {
    console.error(`the run hangs: ${JSON.stringify(tally)}`);
    process.exit(3);
  }, lifetime + GRACE_MS);
  process.on('unhandledRejection', (reason) => tally.violations.push(`unhandled: ${String(reason)}`));

  // A first run, because the process keeps some resources from then on: the threads of libuv and of the compiler.
  await run(newTally(), randomOf(1), 500);
  const before = await quietResources();
  await run(tally, randomOf(Number(seed)), lifetime);
  // The memory of lanes and buffers is released when its last owner is collected.
  await collectGarbage();
  await assertNothingLeft(before, 'the run', 5000).catch((error: unknown) => tally.violations.push(String(error)));
  clearTimeout(watchdog);
  for (const violation of tally.violations.slice(0, 20)) console.error(violation);
  const { violations, ...counts } = tally;
  const result = { seed: Number(seed), seconds: Number(seconds), ...counts, violations: violations.length };
  console.log(json ? JSON.stringify(result) : result);
  process.exitCode = violations.length === 0 ? 0 : 1;
}

async function run(tally: Tally, random: Random, lifetime: number): Promise<void> {
  const machine = new SoftwareMachine();
  for (const { name, placement } of DEVICES) await machine.addDevice({ name, placement, model: 'testdev' });
  const engine = new Engine({ machine, pool: { workers: 2 } });
  const end = Date.now() + lifetime;
  try {
    const actors = DEVICES.map(({ name }) => work(engine, name, tally, randomOf(random(0, 0x7fffffff)), end));
    await Promise.all([...actors, killWorkersAtRandom(engine, tally, random, end)]);
  } finally {
    await engine.close();
    if (machine.containerCount !== 0) tally.violations.push(`${machine.containerCount} containers left`);
    await machine.close();
  }
}

/** Attaches a device, uses it and detaches it, again and again. */
async function work(engine: Engine, name: string, tally: Tally, random: Random, end: number): Promise<void> {
  while (Date.now() < end) {
    const device = await engine.attach(name, { busMaster: true });
    tally.attaches++;
    try {
      const rounds = random(1, 40);
      for (let round = 0; round < rounds && Date.now() < end; round++) {
        await steps[random(0, steps.length - 1)]?.({ device, random, tally });
      }
    } catch (error) {
      if (error instanceof VfioError && error.code === 'ERR_WORKER_DIED') tally.errorsExpected++;
      else tally.violations.push(`${name}: ${String(error)}`);
    }
    await device.detach();
  }
}

async function killWorkersAtRandom(engine: Engine, tally: Tally, random: Random, end: number): Promise<void> {
  while (Date.now() < end) {
    await sleep(Math.min(random(200, 1500), Math.max(0, end - Date.now())));
    const threads = engine.workerThreads;
    const victim = threads[random(0, Math.max(0, threads.length - 1))];
    if (victim === undefined) continue;
    await victim.terminate();
    tally.workersKilled++;
  }
}
