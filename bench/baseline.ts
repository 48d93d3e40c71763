import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The C side of the benchmark, an addon of its own: bench/baseline. Costs are nanoseconds an operation. */
export interface Baseline {
  read32(bytes: Uint8Array, accesses: number): number;
  write32(bytes: Uint8Array, accesses: number): number;
  pread32(fd: number, fileOffset: number, accesses: number): number;
  blockCopy(source: Uint8Array, target: Uint8Array, rounds: number): number;
  setBareMemory(bytes: Uint8Array): void;
  bareRead32(handle: number, offset: number): number;
  bareWrite32(handle: number, offset: number, value: number): void;
  /** The steps of `batch-256` filled, run by the engine's native code, and reaped. */
  batch(region: number, batches: number): number;
  /** A device of C in a thread: works for `workNs` at what is written to word 0, and then writes it to word 16. */
  startDevice(bytes: Uint8Array, workNs: number): void;
  stopDevice(): void;
  /** Gives the device commands, each when the one before is done. */
  commandLoop(first: number, commands: number): number;
  /** Keeps `inFlight` reads and writes of a region under way on a lane until `operations` were answered. */
  laneProduce(lane: Uint8Array, worker: Uint8Array, region: number, operations: number, inFlight: number): number;
  /** The operations of `laneProduce` by pread and pwrite, on the calling thread. */
  transferLoop(fd: number, fileOffset: number, operations: number): number;
  /** Two threads of C, one operation at a time over slots as a lane's. @returns the mean cost of each sample */
  laneThreads(samples: number, roundTripsInSample: number): Float64Array;
  /**
   * Sends messages, by a register's write or into the eventfd, to a thread of C in read(2). @returns nanoseconds each
   * @param gapNs how long the sender waits before each, so that the thread sleeps
   */
  msiLatency(eventfd: number, register: Uint8Array | null, samples: number, gapNs: number, cpu: number): Float64Array;
}

/** What is set up once. */
interface Setup {
  /** Lets C call the engine's native code. @param path of its addon, which is loaded */
  useEngine(path: string): void;
}

const top = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const bindings = createRequire(import.meta.url)('bindings') as (options: object) => Baseline & Setup;

const loaded = bindings({ bindings: 'vfio_engine_baseline', module_root: join(top, 'bench', 'baseline') });

export const baseline: Baseline = loaded;

/** Lets `baseline.batch` run. */
export function useEngine(): void {
  loaded.useEngine(join(top, 'native', 'build', 'Release', 'vfio_engine.node'));
}
