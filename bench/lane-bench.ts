import type { LaneDescriptor } from '../lib/lane/descriptor.js';
import { LaneProducer } from '../lib/lane/lane-producer.js';
import { addon } from '../lib/native/addon.js';
import { WorkerPool } from '../lib/pool/pool.js';
import { openBacking, openMemory } from './backing.js';
import { baseline } from './baseline.js';
import { nanosecondsEach } from './timing.js';

/** How many operations are under way at a time. */
export const IN_FLIGHT = 64;
const WORDS = 1024;

/** A worker, lanes on it, and memory as a region: mapped, or trapped through its file. */
export interface LaneBench {
  readonly pool: WorkerPool;
  readonly lanes: readonly LaneDescriptor[];
  /** Handles; each region is a page of memory of its own. */
  readonly regions: readonly number[];
  /** The file behind the regions, one page after the other, and where the first begins. */
  readonly fd: number;
  readonly fileOffset: number;
  close(): Promise<void>;
}

export async function openLaneBench({
  lanes = 1,
  regions = 1,
  trapped = false,
  inMemory = false,
} = {}): Promise<LaneBench> {
  const pool = await WorkerPool.start({ workers: 1, laneCapacity: 128 });
  const backing = inMemory ? openMemory(4096 * regions) : await openBacking(4096 * regions);
  const { fd, fileOffset } = backing;
  const handles: number[] = [];
  const mappings: number[] = [];
  for (let index = 0; index < regions; index++) {
    const offset = 4096 * index;
    if (!trapped) mappings.push(await backing.map(offset, 4096));
    const areas = mappings.slice(index).map((mapping) => [0, 4096, mapping] as const);
    handles.push(addon.regionCreate(4096, 3, fd, 0, fileOffset + BigInt(offset), 0, areas));
  }
  return {
    pool,
    lanes: Array.from({ length: lanes }, () => pool.createLane()),
    regions: handles,
    fd,
    fileOffset: Number(fileOffset),
    close: async () => {
      await pool.close();
      for (const handle of handles) await addon.regionClose(handle);
      // A mapping holds its device open.
      for (const mapping of mappings) addon.mappingEnd(mapping);
      await backing.close();
    },
  };
}

/** The first of something that a bench was opened with. */
export function first<T>(items: readonly T[]): T {
  const [item] = items;
  if (item === undefined) throw new Error('the bench was opened without one');
  return item;
}

/** JavaScript as the producer: reads and writes in turns over a page, the region changing with each. ns an operation. */
export function produce(lane: LaneDescriptor, regions: readonly number[], operations: number): number {
  const producer = new LaneProducer(lane);
  let failed = 0;
  const cost = nanosecondsEach(operations, () => {
    failed = keepBusy(producer, regions, operations);
  });
  if (failed > 0) throw new Error(`${failed} operations failed`);
  return cost;
}

function keepBusy(producer: LaneProducer, regions: readonly number[], operations: number): number {
  const { slots } = producer;
  const count = regions.length;
  let pushed = 0;
  let taken = 0;
  let failed = 0;
  let at = 0;
  while (taken < operations) {
    while (pushed - taken < IN_FLIGHT && pushed < operations) {
      const region = regions[at] as number;
      at = at + 1 === count ? 0 : at + 1;
      const offset = (pushed & (WORDS - 1)) * 4;
      if ((pushed & 1) === 0) producer.pushRead(region, 4, offset);
      else producer.pushWrite(region, 4, offset, pushed);
      pushed++;
    }
    producer.publish();
    let answered = producer.answered;
    while (answered === 0) answered = producer.answered;
    for (; answered > 0; answered--) {
      if (slots.status(producer.take()) !== 0) failed++;
      taken++;
    }
  }
  return failed;
}

/** JavaScript as the producer of several lanes in turns, 64 under way in each. ns an operation. */
export function produceRound(lanes: readonly LaneDescriptor[], region: number, operations: number): number {
  const producers = lanes.map((lane) => new LaneProducer(lane));
  let failed = 0;
  const cost = nanosecondsEach(operations, () => {
    let left = operations;
    for (const producer of producers) left -= fill(producer, region, left);
    for (let answers = 0; answers < operations;) {
      for (const producer of producers) {
        let answered = producer.answered;
        if (answered === 0) continue;
        answers += answered;
        for (; answered > 0; answered--) {
          if (producer.slots.status(producer.take()) !== 0) failed++;
        }
        left -= fill(producer, region, left);
      }
    }
  });
  if (failed > 0) throw new Error(`${failed} operations failed`);
  return cost;
}

/** Tops a lane up to what may be under way, and publishes. @returns how many were pushed */
function fill(producer: LaneProducer, region: number, most: number): number {
  const count = Math.min(most, IN_FLIGHT - producer.pending);
  for (let i = 0; i < count; i++) {
    const offset = (i & (WORDS - 1)) * 4;
    if ((i & 1) === 0) producer.pushRead(region, 4, offset);
    else producer.pushWrite(region, 4, offset, i);
  }
  if (count > 0) producer.publish();
  return count;
}

/** C as the producer, on the same lane. ns an operation. */
export function produceInC(lane: LaneDescriptor, region: number, operations: number): number {
  const memory = new Uint8Array(addon.laneView(lane.lane));
  const control = new Uint8Array(addon.workerView(lane.worker));
  return baseline.laneProduce(memory, control, region, operations, IN_FLIGHT);
}
