import { availableParallelism } from 'node:os';

import { isPowerOfTwo, requireWhole } from '../base/arguments.js';
import { invalidArgument } from '../base/errors.js';
import { placeWorkers, type CpuChoice } from './cpus.js';

/** How a pool of I/O workers is built. */
export interface PoolOptions {
  /** I/O worker threads, 1 to 64. Default: one on two CPUs, a quarter of the CPUs on larger machines, at most 8. */
  readonly workers?: number;
  /**
   * How long a worker with nothing to do looks for work before it sleeps at most, microseconds, 0 to 1,000,000. While it
   * looks it answers a lone operation in under a microsecond instead of some 50, and costs a CPU. It halves this where
   * looking was in vain, down to none, and doubles it where work came soon after it slept. Default 50, and 0 on one CPU.
   */
  readonly spinMicroseconds?: number;
  /**
   * Where the workers run: the first on the first element, one CPU or some, and so on, from the start again when there
   * are more workers. Default: where the scheduler likes. Pin them next to their device, and away from the CPUs of
   * threads that spin or must not be disturbed (vCPUs): a worker and its producer on one CPU only answer by sleeping.
   */
  readonly cpus?: readonly CpuChoice[] | undefined;
  /** In place of `cpus`: all workers run on the CPUs of this NUMA node, `numa_node` of the device in /sys. */
  readonly numaNode?: number | undefined;
  /** Slots of each lane, a power of two from 2 to 65,536. Default 1024. */
  readonly laneCapacity?: number;
  /** Driver functions that may run at once, 0 to 64; others wait for their turn. Default 4. */
  readonly drivers?: number;
}

export interface PoolSettings {
  readonly workers: number;
  readonly spinMicroseconds: number;
  readonly laneCapacity: number;
  readonly drivers: number;
  /** By worker; undefined for one that runs anywhere. */
  readonly placement: readonly (readonly number[] | undefined)[];
}

/** Fills in and checks a pool's options. @throws ERR_INVALID_ARGUMENT, what `placeWorkers` throws */
export function poolSettings(options: PoolOptions = {}): PoolSettings {
  const cpus = availableParallelism();
  const settings = {
    workers: options.workers ?? Math.min(8, Math.max(1, Math.floor(cpus / 4))),
    spinMicroseconds: options.spinMicroseconds ?? (cpus > 1 ? 50 : 0),
    laneCapacity: options.laneCapacity ?? 1024,
    drivers: options.drivers ?? 4,
  };
  requireWhole('workers', settings.workers, 1, 64);
  requireWhole('spinMicroseconds', settings.spinMicroseconds, 0, 1_000_000);
  requireWhole('laneCapacity', settings.laneCapacity, 2, 65_536);
  requireWhole('drivers', settings.drivers, 0, 64);
  if (!isPowerOfTwo(settings.laneCapacity)) {
    throw invalidArgument(`laneCapacity is ${settings.laneCapacity}`, 'give a power of two');
  }
  return { ...settings, placement: placeWorkers(settings.workers, options) };
}
