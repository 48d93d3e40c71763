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
const RATES: Required<FaultRates> = {
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

/** More workers die and start at the same time. */
const WORKERS = 3;

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
  const rates = Object.fromEntries(Object.entries(RATES).map(([kind, rate]) => [kind, rate * target.faultFactor]));
  const plan = new FaultPlan({ seed, rates });
  const pool = await WorkerPool.start({ workers: WORKERS });
  const engine = new Engine({ kernels: [target.kernel], pool, faults: plan });
  const shared: Shared = { tally, plan, pool, lastModelDeath: -Infinity };
  const end = Date.now() + lifetimeMs;
  const fork = (): Random => randomOf(random(0, 0x7fff_ffff));
  try {
    await Promise.all([
      ...target.devices.map((device) => workDevice(engine, target, device, shared, fork(), end)),
      killWorkers(shared, fork(), end),
      target.devices.some(({ mortal }) => mortal) ? killModels(shared, fork(), end) : undefined,
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
  target: Target,
  device: StressDevice,
  shared: Shared,
  random: Random,
  end: number,
): Promise<void> {
  const { tally } = shared;
  const { name, job } = device;
  while (Date.now() < end) {
    const session = new Session(shared, device, random);
    const backend = target.backends[random(0, target.backends.length - 1)] ?? 'container';
    const succeeded = await session.attempt('the attach', async () => {
      const attached = await engine.attach(name, { backend, busMaster: true, trap: target.trap });
      tally.attaches += 1;
      await job(attached, session);
      await session.attempt('the detach', () => attached.detach());
    });
    if (!succeeded) tally.failedAttaches += 1;
    const left = engine.devices.filter((each) => each.name === name);
    if (left.length > 0) noteLost(tally, 1, `the detach of ${name}`);
  }
}
