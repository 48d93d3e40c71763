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
  pingPong(roundTrips: number): Float64Array;
}

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'bench', 'baseline');
const bindings = createRequire(import.meta.url)('bindings') as (options: object) => Baseline;

export const baseline: Baseline = bindings({ bindings: 'vfio_engine_baseline', module_root: root });
