import { availableParallelism } from 'node:os';

import { requireOptions, requireInteger } from '../base/arguments.js';
import { requireLaneCapacity } from '../lane/descriptor.js';
import { placeWorkers, type CpuChoice } from './cpus.js';

/** The settings of a `WorkerPool`. */
export interface PoolOptions {
  /** Number of I/O workers, 1 to 64. Default: a quarter of the CPUs, at least 1 and at most 8. */
  readonly workers?: number;
  /**
   * How long an idle worker looks for work at most before it sleeps, microseconds, 0 to 1,000,000. A worker that looks
   * uses a CPU, and answers a single operation in less than 1 µs instead of about 50 µs. The worker adapts the time: it
   * halves the time when no work came, down to 0, and doubles it when work came soon after it slept. Default 50; 0 on a
   * machine with one CPU.
   */
  readonly spinMicroseconds?: number;
  /**
   * The CPUs of each worker. Worker i runs on element `i % cpus.length`, which is one CPU or a list of CPUs. Default: all
   * CPUs. Choose CPUs near the device, and apart from CPUs of threads that spin, such as vCPUs: a worker on the CPU of its
   * producer can only run while the producer sleeps.
   */
  readonly cpus?: readonly CpuChoice[] | undefined;
  /** The NUMA node on whose CPUs all workers run, in place of `cpus`. A device's node is its `numa_node` in /sys. */
  readonly numaNode?: number | undefined;
  /** Slots of each lane, a power of two from 2 to 65,536. Default 1024. */
  readonly laneCapacity?: number;
  /** How many driver functions run at once, 0 to 64; others wait. Default 4. */
  readonly drivers?: number;
}

/** The settings of a pool with all defaults filled in. */
export interface PoolSettings {
  /** See `PoolOptions.workers`. */
  readonly workers: number;
  /** See `PoolOptions.spinMicroseconds`. */
  readonly spinMicroseconds: number;
  /** See `PoolOptions.laneCapacity`. */
  readonly laneCapacity: number;
  /** See `PoolOptions.drivers`. */
  readonly drivers: number;
  /** The CPUs of each worker; undefined for a worker that may run on all. */
  readonly placement: readonly (readonly number[] | undefined)[];
}

/**
 * Checks the options of a pool and fills in the defaults.
 * @throws ERR_INVALID_ARGUMENT if an option is out of range; EINVAL or ENODEV from `placeWorkers`
 */
export function poolSettings(options: PoolOptions = {}): PoolSettings {
  requireOptions(options);
  const cpus = availableParallelism();
  const settings = {
    workers: options.workers ?? Math.min(8, Math.max(1, Math.floor(cpus / 4))),
    spinMicroseconds: options.spinMicroseconds ?? (cpus > 1 ? 50 : 0),
    laneCapacity: options.laneCapacity ?? 1024,
    drivers: options.drivers ?? 4,
  };
  requireInteger('workers', settings.workers, 1, 64);
  requireInteger('spinMicroseconds', settings.spinMicroseconds, 0, 1_000_000);
  requireLaneCapacity('laneCapacity', settings.laneCapacity);
  requireInteger('drivers', settings.drivers, 0, 64);
  return { ...settings, placement: placeWorkers(settings.workers, options) };
}
