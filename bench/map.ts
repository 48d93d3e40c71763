import { execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { bindDriver, restoreDriver } from '../lib/sysfs/binding.js';
import type { DmaSpace } from '../lib/dma/dma-space.js';
import { allocateMemory, type SharedMemory } from '../lib/dma/memory/shared-memory.js';
import { Engine } from '../lib/engine/engine.js';
import { linuxKernel } from '../lib/kernel/linux/linux.js';
import { addon } from '../lib/native/addon.js';
import { programArguments } from './attach.js';
import type { BenchCase } from './case.js';

/** edu of the guest. */
const DEVICE = '0000:00:04.0';
const PROGRAM = join(dirname(fileURLToPath(import.meta.url)), '../../bench/baseline/build/Release/map');
const PAGE = 4096;
/** Small maps of the same kind after which the code is compiled as it stays: of large ones there are too few. */
const WARM_UP = 10_000;

export type MapBackend = 'container' | 'iommufd';

/** A size of the benchmark, with how often it is mapped for one figure. */
interface MapSize {
  readonly bytes: number;
  readonly rounds: number;
  readonly bar: number;
  /** How many go by one call. Default: 1. */
  readonly pieces?: number;
}

const SIZES = {
  '4k': { bytes: PAGE, rounds: 2000, bar: 1.25 },
  '4k-pieces': { bytes: PAGE, rounds: 2, bar: 1.25, pieces: 8192 },
  '2m': { bytes: 2 << 20, rounds: 100, bar: 1.05 },
  '2m-pieces': { bytes: 2 << 20, rounds: 2, bar: 1.05, pieces: 256 },
  '1g': { bytes: 1 << 30, rounds: 2, bar: 1.05 },
} satisfies Record<string, MapSize>;

/**
 * Mapping memory for edu in the guest and unmapping it, against a C program that makes the two system calls
 * (bench/baseline/map.c). The same pages on both sides: how they lie in memory makes much of the cost.
 */
export function mapCase(size: keyof typeof SIZES, backend: MapBackend): BenchCase {
  const { bytes, rounds, bar, pieces = 1 }: MapSize = SIZES[size];
  return {
    name: `map-${size}-${backend}`,
    title: `mapping and unmapping ${size} by ${backend}`,
    unit: 'us',
    bar,
    async prepare() {
      const device = await openMapDevice(backend, (2 * pieces - 1) * bytes);
      const program = [...(await programArguments(backend)), String(bytes), String(rounds), String(pieces)];
      const work = mapWork(device.memory.buffer, bytes, pieces);
      await device.withSpace((space) =>
        repeat(WARM_UP, mapWork(device.memory.buffer, PAGE, Math.min(pieces, 2)), space),
      );
      return {
        subject: () => device.withSpace((space) => meanOf(work, rounds, pieces, space)),
        baseline: () => {
          const stdio = ['ignore', 'pipe', 'inherit', device.memory.fd] as const;
          return [Number(execFileSync(PROGRAM, program, { encoding: 'utf8', stdio: [...stdio] })) / 1000];
        },
        close: () => device.close(),
      };
    },
  };
}

type MapWork = (space: DmaSpace) => Promise<void>;

/** Maps and unmaps the beginning of memory, or every second piece of it by one call, as the C program does. */
function mapWork(memory: SharedArrayBuffer, bytes: number, pieces: number): MapWork {
  if (pieces === 1) {
    const whole = new Uint8Array(memory, 0, bytes);
    return async (space) => (await space.map(whole)).unmap();
  }
  const offsets = Float64Array.from({ length: pieces }, (_, index) => 2 * index * bytes);
  return async (space) => (await space.mapPieces(memory, offsets, bytes)).unmap();
}

/** Measures as the C program does: some rounds that do not count, then the mean. */
async function meanOf(work: MapWork, rounds: number, pieces: number, space: DmaSpace): Promise<number[]> {
  await repeat(Math.ceil(rounds / 10), work, space);
  const start = process.hrtime.bigint();
  await repeat(rounds, work, space);
  return [Number(process.hrtime.bigint() - start) / 1000 / rounds / pieces];
}

async function repeat(rounds: number, work: MapWork, space: DmaSpace): Promise<void> {
  for (let round = 0; round < rounds; round++) await work(space);
}

/** edu and memory to map for it. */
export interface MapDevice {
  readonly memory: SharedMemory & { readonly fd: number };
  /** Attaches edu, hands out its address space, and detaches it, so that the C program can have it next. */
  withSpace<T>(work: (space: DmaSpace) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** @param bytes of the memory, whose pages are all touched */
export async function openMapDevice(backend: MapBackend, bytes: number): Promise<MapDevice> {
  await bindDriver(DEVICE);
  const engine = new Engine({ kernels: [linuxKernel()], backend });
  const { fd, ...memory } = await allocateMemory({ size: bytes, kind: 'memfd' });
  if (fd === undefined) throw new Error('memory of kind memfd has no descriptor');
  const words = new Uint8Array(memory.buffer);
  for (let offset = 0; offset < bytes; offset += PAGE) words[offset] = 1;
  return {
    memory: { ...memory, fd },
    withSpace: async (work) => {
      const device = await engine.attach(DEVICE);
      try {
        return await work(device.dma);
      } finally {
        await device.detach();
      }
    },
    close: async () => {
      addon.closeFdSync(fd);
      await engine.close();
      await restoreDriver(DEVICE);
    },
  };
}
