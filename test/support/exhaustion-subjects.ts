/** What is brought up while something runs out: by name, for exhaustion-child.ts. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Engine } from '../../lib/engine/engine.js';
import { SyncLane } from '../../lib/lane/sync-lane.js';
import type { LaneDescriptor } from '../../lib/lane/descriptor.js';
import { serveModel } from '../../lib/models/hosting/serve-model.js';
import { REG, BAR } from '../../lib/models/testdev/layout.js';
import { WorkerPool } from '../../lib/pool/pool.js';
import { Program } from '../../lib/region/program.js';
import type { Region } from '../../lib/region/region.js';
import { RegionAccess } from '../../lib/region/region-access.js';
import { SoftwareMachine } from '../../lib/software/machine/software-machine.js';
import { VfioUserClient } from '../../lib/vfio-user/client/vfio-user-client.js';
import { PCI_COMMAND, PCI_COMMAND_MEMORY } from '../../lib/uapi/pci.js';
import { VFIO_PCI_CONFIG_REGION_INDEX } from '../../lib/uapi/vfio.js';
import { allocateShared } from './allocate-shared.js';
import type { Subject } from './exhaustion.js';
import { memoryRegion, TRAPPED } from './memory-region.js';

/** A subject, and how what it stands on is closed. */
interface Prepared {
  readonly subject: Subject;
  readonly end: () => Promise<void>;
}

const NAME = 'f000:00:05.0';
const LANES = 3;
const NOTHING = (): Promise<void> => Promise.resolve();

/** The subjects by name. */
export const SUBJECTS: Readonly<Record<string, () => Promise<Prepared>>> = {
  pool: () => alone(async () => (await WorkerPool.start({ workers: 1 })).close()),
  threads: () => alone(startThreads),
  access: accessRegions,
  thread: () => attachDevice('thread'),
  process: () => attachDevice('process'),
  'vfio-user': connectClient,
};

function alone(bringUp: () => Promise<void>): Promise<Prepared> {
  return Promise.resolve({ subject: () => ({ bringUp, close: NOTHING }), end: NOTHING });
}

/** A device of a new machine: its model, its group and container, memory for DMA, interrupts. The pool is there. */
async function attachDevice(placement: 'thread' | 'process'): Promise<Prepared> {
  const pool = await WorkerPool.start({ workers: 1 });
  const subject: Subject = () => {
    const machine = new SoftwareMachine();
    const engine = new Engine({ machine, pool });
    const added = machine.addDevice({ name: NAME, model: 'testdev', placement });
    return {
      bringUp: async () => {
        await added;
        await useDevice(engine);
      },
      close: async () => {
        await engine.close();
        await machine.close();
      },
    };
  };
  return { subject, end: () => pool.close() };
}

async function useDevice(engine: Engine): Promise<void> {
  const device = await engine.attach(NAME);
  try {
    await device.dma.allocate(4096);
    await device.irq('msix').enable({ vectors: 2, handler: () => undefined });
  } finally {
    await device.detach();
    await engine.dma.unmapAll();
  }
}

/** A pool with a lane for an event loop, and the thread of a driver function. */
async function startThreads(): Promise<void> {
  const pool = await WorkerPool.start({ workers: 1, drivers: 1 });
  try {
    await withMemory(pool, 7, async (region) => {
      await region.write32(0, 7);
      const module = new URL('../integration/drivers/sum.js', import.meta.url).href;
      await pool.runDriver({ module, regions: [region.descriptor], buffers: {}, args: { words: 1 } });
    });
  } finally {
    await pool.close();
  }
}

/** A mapped and a trapped region, and each way to access them. The pool is there. */
async function accessRegions(): Promise<Prepared> {
  const pool = await WorkerPool.start({ workers: 1 });
  const bringUp = async (): Promise<void> => {
    for (const flags of [7, TRAPPED]) await withMemory(pool, flags, (region) => accessOne(pool, region));
  };
  return { subject: () => ({ bringUp, close: NOTHING }), end: () => pool.close() };
}

async function withMemory(pool: WorkerPool, flags: number, use: (region: Region) => Promise<void>): Promise<void> {
  const lane = pool.lane();
  try {
    const memory = await memoryRegion(lane, { flags });
    await use(memory.region).finally(() => memory.close());
  } finally {
    pool.giveLane(lane);
  }
}

async function accessOne(pool: WorkerPool, region: Region): Promise<void> {
  await region.write32(0, 7);
  assert.equal(new RegionAccess(region.descriptor).read32(0), 7);
  const program = new Program(region, 4);
  const step = program.read32(0);
  program.copyToBuffer(0, 64, allocateShared(4096));
  program.run();
  await region.run(program);
  assert.equal(program.value(step), 7);
  const lanes: LaneDescriptor[] = [];
  try {
    while (lanes.length < LANES) lanes.push(pool.createLane());
    for (const lane of lanes) readByLane(pool, lane, region);
  } finally {
    for (const lane of lanes) await pool.closeLane(lane);
  }
}

function readByLane(pool: WorkerPool, lane: LaneDescriptor, region: Region): void {
  const number = pool.addRegion(lane, region);
  pool.addBuffer(lane, allocateShared(4096));
  const producer = new SyncLane(lane);
  const position = producer.read(number, 4, 0);
  assert.equal(producer.slots.status(position), 0);
  assert.equal(producer.slots.value32(position), 7);
}

/** A client of a model that is served on a socket. */
async function connectClient(): Promise<Prepared> {
  const folder = mkdtempSync(join(tmpdir(), 'vfio-engine-served-'));
  const path = join(folder, 'socket');
  const served = await serveModel({ model: 'testdev' }, { path });
  const bringUp = async (): Promise<void> => {
    const client = await VfioUserClient.connect(path);
    try {
      await client.deviceInfo();
      await client.regionWrite(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, Uint8Array.of(PCI_COMMAND_MEMORY, 0));
      await client.regionWrite(BAR.REGISTERS, REG.SCRATCH, Uint8Array.of(1, 2, 3, 4));
      assert.deepEqual(await client.regionRead(BAR.REGISTERS, REG.SCRATCH, 4), Uint8Array.of(1, 2, 3, 4));
      await client.reset();
    } finally {
      await client.close();
    }
  };
  const end = async (): Promise<void> => {
    await served.stop();
    rmSync(folder, { recursive: true });
  };
  return { subject: () => ({ bringUp, close: NOTHING }), end };
}
