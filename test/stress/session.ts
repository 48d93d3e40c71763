import { setTimeout as sleep } from 'node:timers/promises';

import { VfioError } from '../../lib/base/errors.js';
import type { Device } from '../../lib/device/device.js';
import type { InjectedFault } from '../../lib/faults/fault.js';
import type { FaultPlan } from '../../lib/faults/fault-plan.js';
import type { WorkerPool } from '../../lib/pool/pool.js';
import type { Random } from './random.js';
import { noteLost, type Tally } from './tally.js';

/** What all sessions of an epoch share. */
export interface Shared {
  readonly tally: Tally;
  readonly plan: FaultPlan;
  readonly pool: WorkerPool;
  /** How many models were killed. */
  modelDeaths: number;
}

/** One use of a device: from its attach to its detach. It knows what may have gone wrong meanwhile. */
export class Session {
  readonly #injectedBefore: number;
  readonly #deathsBefore: number;
  readonly #killedBefore: number;

  constructor(
    readonly shared: Shared,
    readonly name: string,
    readonly random: Random,
  ) {
    this.#injectedBefore = shared.plan.injected.length;
    this.#deathsBefore = shared.modelDeaths;
    this.#killedBefore = shared.tally.workersKilled;
  }

  get tally(): Tally {
    return this.shared.tally;
  }

  /** The faults that were injected into this device, or into the kernel, since the session began. */
  get faults(): readonly InjectedFault[] {
    const since = this.shared.plan.injected.slice(this.#injectedBefore);
    return since.filter(({ device }) => device === undefined || device === this.name);
  }

  /** Whether the device was removed or its model was killed: what it has counted is lost. */
  get isVoid(): boolean {
    return this.shared.modelDeaths > this.#deathsBefore || this.faults.some(({ kind }) => kind === 'removal');
  }

  /** Tells whether an error comes from a fault, a kill or a death of this session. */
  explains(error: unknown): boolean {
    if (!(error instanceof VfioError)) return false;
    if (this.isVoid || this.faults.length > 0) return true;
    return error.code === 'ERR_WORKER_DIED' && this.tally.workersKilled > this.#killedBefore;
  }

  /** Waits for work that must end. What does not end is lost. @throws what the work rejects with */
  async ends<T>(what: string, work: Promise<T>, limitMs = 90_000): Promise<T> {
    const timer = new AbortController();
    const expired = sleep(limitMs, undefined, { signal: timer.signal }).then(
      () => {
        noteLost(this.tally, 1, `${what} of ${this.name} was not answered within ${limitMs} ms`);
        throw new VfioError(`${what} was not answered`, { code: 'ERR_TIMEOUT' });
      },
      () => undefined as never,
    );
    try {
      return await Promise.race([work, expired]);
    } finally {
      timer.abort();
    }
  }

  /** Runs a part of the session. Notes an error that nothing explains. @returns whether it succeeded */
  async attempt(what: string, work: () => Promise<void>): Promise<boolean> {
    try {
      await this.ends(what, work());
      return true;
    } catch (error) {
      // The report of a fault arrives with the next turn of the event loop, the death of a model some time later.
      for (let tries = 0; tries < 20 && !this.explains(error); tries++) await sleep(5);
      if (!this.explains(error)) this.tally.violations.push(`${what} of ${this.name}: ${describe(error)}`);
      return false;
    }
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? String(error)).split('\n').slice(0, 4).join('') : String(error);
}

/** A part of a session and its name. */
type Step = readonly [what: string, run: () => Promise<void>];

/** Runs steps at random, while the device is attached. @param most how many steps it runs at most */
export async function runSteps(device: Device, session: Session, most: number, steps: readonly Step[]): Promise<void> {
  for (let left = session.random(1, most); left > 0 && device.attached; left--) {
    const step = steps[session.random(0, steps.length - 1)];
    if (step !== undefined) await session.attempt(...step);
  }
}

/** Uses one kind of device and checks the results. @throws what an operation rejects with */
export type Job = (device: Device, session: Session) => Promise<void>;
