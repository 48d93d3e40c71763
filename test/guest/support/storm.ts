import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

import type { Device } from '../../../lib/device/device.js';
import { ROUNDS_DONE, STOP, type StormWords } from './storm-driver.js';
import { sum, type Tally, WordUser } from './word-user.js';

const DRIVER = new URL('./storm-driver.js', import.meta.url);
/** How often the driver goes round, about 50 accesses each time, before each disturbance. */
const LOOPS_A_ROUND = 100;

/**
 * Accesses words of a device by raw view, accessor and program from a driver function and by the lane from this thread, while the device
 * is disturbed again and again.
 * @param rounds how often `disturb` is called
 */
export async function stormWhile(
  device: Device,
  words: StormWords,
  rounds: number,
  disturb: (round: number) => Promise<void>,
): Promise<Tally> {
  const shared = new SharedArrayBuffer(8);
  const control = new Int32Array(shared);
  if (words.constants === undefined) await clear(device, words);
  const running = device.runDriver(DRIVER, { args: words, buffers: { control: shared } });
  const byLane = accessByLane(device, words, control);
  try {
    for (let round = 0; round < rounds; round += 1) {
      await progress(control, LOOPS_A_ROUND);
      await disturb(round);
    }
    await progress(control, 1);
  } finally {
    Atomics.store(control, STOP, 1);
  }
  return sum((await running) as Tally, await byLane);
}

async function clear(device: Device, { regionIndex, offsets }: StormWords): Promise<void> {
  for (const offset of offsets) await device.region(regionIndex).write32(offset, 0);
}

/** Waits until the driver has gone round some more times. */
async function progress(control: Int32Array, loops: number): Promise<void> {
  const until = Atomics.load(control, ROUNDS_DONE) + loops;
  const deadline = performance.now() + 30_000;
  while (Atomics.load(control, ROUNDS_DONE) < until) {
    assert.ok(performance.now() < deadline, 'the driver makes no progress');
    await sleep(1);
  }
}

async function accessByLane(
  device: Device,
  { regionIndex, offsets, constants }: StormWords,
  control: Int32Array,
): Promise<Tally> {
  const region = device.region(regionIndex);
  const user = new WordUser(offsets[2], constants);
  const words = {
    read: (at: number) => region.read32(at),
    write: (at: number, value: number) => region.write32(at, value),
  };
  while (Atomics.load(control, STOP) === 0) await user.useLater(words);
  return user.tally;
}
