import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The C side of the benchmark, an addon of its own: bench/baseline. Costs are nanoseconds an operation. */
export interface Baseline {
  read32(bytes: Uint8Array, accesses: number): number;
  write32(bytes: Uint8Array, accesses: number): number;
  pread32(fd: number, fileOffset: number, accesses: number): number;
  blockCopy(source: Uint8Array, target: Uint8Array, rounds: number): number;
  poll(bytes: Uint8Array, polls: number): number;
  setBareMemory(bytes: Uint8Array): void;
  bareRead32(handle: number, offset: number): number;
  bareWrite32(handle: number, offset: number, value: number): void;
  /** Keeps `inFlight` reads and writes of a region under way on a lane until `operations` were answered. */
  laneProduce(lane: Uint8Array, worker: Uint8Array, region: number, operations: number, inFlight: number): number;
  /** The operations of `laneProduce` by pread and pwrite, on the calling thread. */
  transferLoop(fd: number, operations: number): number;
  /** Two threads of C, one operation at a time over slots as a lane's. @returns the mean cost of each sample */
  laneThreads(samples: number, roundTripsInSample: number): Float64Array;
}

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'bench', 'baseline');
const bindings = createRequire(import.meta.url)('bindings') as (options: object) => Baseline;

export const baseline: Baseline = bindings({ bindings: 'vfio_engine_baseline', module_root: root });
