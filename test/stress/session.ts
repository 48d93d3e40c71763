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
  /** When a model was last killed, by `performance.now()`. */
  lastModelDeath: number;
}

/** A device, and whether its model is killed. */
export interface SessionDevice {
  readonly name: string;
  readonly mortal: boolean;
}

/** How long the death of a model may take, until its connection is closed. */
const DEATH_MS = 1000;

/** One use of a device: from its attach to its detach. It knows what may have gone wrong meanwhile. */
export class Session {
  readonly #injectedBefore: number;
  readonly #began = performance.now();

  constructor(
    readonly shared: Shared,
    private readonly device: SessionDevice,
    readonly random: Random,
  ) {
    this.#injectedBefore = shared.plan.injected.length;
  }

  /** The name of the device. */
  get name(): string {
    return this.device.name;
  }

  get tally(): Tally {
    return this.shared.tally;
  }

  /** The faults that were injected into this device, or into the kernel, since the session began. */
  get faults(): readonly InjectedFault[] {
    const since = this.shared.plan.injected.slice(this.#injectedBefore);
    return since.filter(({ device }) => device === undefined || device === this.name);
  }

  /**
   * Whether the device was removed or its model was killed: what it has counted is gone. Or its config space was read as all
   * ones: the engine then takes bus mastering for on, and the device moves no bytes and sends no messages.
   */
  get isVoid(): boolean {
    if (this.device.mortal && this.shared.lastModelDeath > this.#began - DEATH_MS) return true;
    return this.faults.some(({ kind, call }) => kind === 'removal' || (kind === 'all-ones' && call === 'pread'));
  }

  /** Tells whether an error comes from a fault, a kill or a death of this session. */
  explains(error: unknown): boolean {
    if (!(error instanceof VfioError)) return false;
    // Workers are killed all the time.
    return error.code === 'ERR_WORKER_DIED' || this.isVoid || this.faults.length > 0;
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
