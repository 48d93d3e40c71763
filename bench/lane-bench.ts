import { LaneProducer, type LaneDescriptor } from '../lib/lane/producer.js';
import { addon } from '../lib/native/addon.js';
import { WorkerPool } from '../lib/pool/pool.js';
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
  close(): Promise<void>;
}

export async function openLaneBench({ lanes = 1, regions = 1, trapped = false } = {}): Promise<LaneBench> {
  const pool = await WorkerPool.start({ workers: 1, laneCapacity: 128 });
  const bytes = 4096 * regions;
  const fd = addon.memfdCreate('bench', BigInt(bytes), 0);
  const handles: number[] = [];
  for (let index = 0; index < regions; index++) {
    const offset = 4096n * BigInt(index);
    const areas = trapped ? [] : [[0, 4096, await addon.mappingCreate(fd, offset, 4096, 3)] as const];
    handles.push(addon.regionCreate(4096, 3, fd, 0, offset, 0, areas));
  }
  return {
    pool,
    lanes: Array.from({ length: lanes }, () => pool.createLane()),
    regions: handles,
    close: async () => {
      await pool.close();
      for (const handle of handles) await addon.regionClose(handle);
      addon.closeFdSync(fd);
    },
  };
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

/** C as the producer, on the same lane. ns an operation. */
export function produceInC(lane: LaneDescriptor, region: number, operations: number): number {
  const memory = new Uint8Array(addon.laneView(lane.lane));
  const control = new Uint8Array(addon.workerView(lane.worker));
  return baseline.laneProduce(memory, control, region, operations, IN_FLIGHT);
}
