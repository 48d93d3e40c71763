import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The C side of the benchmark: an addon of its own. benchmark.js measures the functions that return nothing. */
export interface Baseline {
  read32(bytes: Uint8Array, accesses: number): void;
  write32(bytes: Uint8Array, accesses: number): void;
  pread32(fd: number, fileOffset: number, accesses: number): void;
  blockCopy(source: Uint8Array, target: Uint8Array, rounds: number): void;
  setBareMemory(bytes: Uint8Array): void;
  bareRead32(handle: number, offset: number): number;
  bareWrite32(handle: number, offset: number, value: number): void;
  /**
   * Fills the steps of `batch-256`, runs them by the engine's native code, and reads them back.
   * @param program a program of the engine, of which only the regions are used @param region the region's number in it
   */
  batch(program: object, region: number, batches: number): void;
  /** Starts a device in a C thread: it works for `workNs` at a value written to word 0, then writes it to word 16. */
  startDevice(bytes: Uint8Array, workNs: number): void;
  stopDevice(): void;
  /** Gives the device a command and waits until it is done. @returns nanoseconds */
  command(command: number): number;
  /** Keeps `inFlight` reads and writes of a region in flight on a lane until `operations` are answered. */
  laneProduce(lane: Uint8Array, worker: Uint8Array, region: number, operations: number, inFlight: number): void;
  /** Makes the operations of `laneProduce` by pread and pwrite, on the calling thread. */
  transferLoop(fd: number, fileOffset: number, operations: number): void;
  /** Makes round trips between two C threads over slots like a lane's, one operation at a time. */
  laneThreads(roundTrips: number): void;
  /**
   * Sends messages, by writing a register or the eventfd, to a C thread in read(2).
   * @param gapNs how long the sender waits before each message, so that the thread sleeps
   * @returns nanoseconds of each message
   */
  msiLatency(eventfd: number, register: Uint8Array | null, samples: number, gapNs: number, cpu: number): Float64Array;
}

/** The function that is called once. */
interface Setup {
  /** Lets C call the engine's native code. @param path the engine's addon, which must be loaded */
  useEngine(path: string): void;
}

const top = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const bindings = createRequire(import.meta.url)('bindings') as (options: object) => Baseline & Setup;

const loaded = bindings({ bindings: 'vfio_engine_baseline', module_root: join(top, 'bench', 'baseline') });

export const baseline: Baseline = loaded;

/** Must be called before `baseline.batch`. */
export function useEngine(): void {
  loaded.useEngine(join(top, 'native', 'build', 'Release', 'vfio_engine.node'));
}
