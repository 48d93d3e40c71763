import { Engine } from '../../lib/engine/engine.js';
import { FaultPlan } from '../../lib/faults/fault-plan.js';
import type { FaultRates } from '../../lib/faults/fault.js';
import { WorkerPool } from '../../lib/pool/pool.js';
import { killModels, killWorkers } from './kills.js';
import { type Random, randomOf } from './random.js';
import { Session, type Shared } from './session.js';
import { noteLost, type Tally } from './tally.js';
import type { StressDevice, Target } from './targets.js';

/** The probability of each fault: every kind occurs within seconds, and most sessions do their work. */
const RATES: FaultRates = {
  fail: 0.002,
  'short-read': 0.002,
  'all-ones': 0.002,
  removal: 0.0003,
  'worker-killed': 0.001,
  'irq-lost': 0.005,
  'irq-late': 0.01,
  'irq-doubled': 0.005,
  'reset-failed': 0.03,
  'reset-slow': 0.03,
  'dma-limit': 0.01,
};

/** An engine, a pool and a plan of their own, the work on all devices, and the end of all. */
export interface EpochOptions {
  readonly target: Target;
  readonly seed: number;
  readonly lifetimeMs: number;
  readonly tally: Tally;
}

/** Runs one epoch. Everything is closed afterwards. */
export async function runEpoch({ target, seed, lifetimeMs, tally }: EpochOptions): Promise<void> {
  const random = randomOf(seed);
  const plan = new FaultPlan({ seed, rates: RATES });
  const pool = await WorkerPool.start({ workers: 2 });
  const engine = new Engine({ kernels: [target.kernel], pool, faults: plan });
  const shared: Shared = { tally, plan, pool, modelDeaths: 0 };
  const end = Date.now() + lifetimeMs;
  const fork = (): Random => randomOf(random(0, 0x7fff_ffff));
  try {
    await Promise.all([
      ...target.devices.map((device) => workDevice(engine, target, device, shared, fork(), end)),
      killWorkers(shared, fork(), end),
      target.hasModels ? killModels(shared, fork(), end) : undefined,
    ]);
  } finally {
    await engine.close().catch((error: unknown) => tally.violations.push(`closing the engine: ${String(error)}`));
    await pool.close();
    for (const { kind } of plan.injected) tally.faults[kind] += 1;
    tally.workersKilled += plan.counts['worker-killed'];
  }
}

/** Attaches a device, uses it and detaches it, again and again. */
async function workDevice(
  engine: Engine,
  { backends }: Target,
  { name, job }: StressDevice,
  shared: Shared,
  random: Random,
  end: number,
): Promise<void> {
  const { tally } = shared;
  while (Date.now() < end) {
    const session = new Session(shared, name, random);
    const backend = backends[random(0, backends.length - 1)] ?? 'container';
    const attached = await session.attempt('the attach', async () => {
      const device = await engine.attach(name, { backend, busMaster: true, trap: name.startsWith('0000') });
      tally.attaches += 1;
      await job(device, session);
      await session.attempt('the detach', () => device.detach());
    });
    if (!attached) tally.failedAttaches += 1;
    const left = engine.devices.filter((device) => device.name === name);
    if (left.length > 0) noteLost(tally, 1, `the detach of ${name}`);
  }
}
