import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

import { measurementOf } from '../../../bench/harness/measurement.js';

/** Waits on this thread. */
function busyFor(milliseconds: number): void {
  const end = process.hrtime.bigint() + BigInt(milliseconds * 1e6);
  while (process.hrtime.bigint() < end);
}

describe('a measurement of the benchmark', () => {
  it('has one cost per sample, of one operation in the unit of the case', async () => {
    const side = { operations: 4, run: () => busyFor(2) };
    const measurement = measurementOf(side, 'us', 1);
    await measurement.warmUp();
    for (let round = 0; round < 3; round++) await measurement.sample();
    const { value, costs } = measurement.result();
    assert.equal(costs.length, 3);
    // At least the 2 ms of the loop over 4 operations; a busy machine makes it more.
    for (const cost of costs) assert.ok(cost >= 500 && cost < 500_000, String(cost));
    const mean = (costs[0]! + costs[1]! + costs[2]!) / 3;
    assert.ok(Math.abs(value / mean - 1) < 1e-9);
  });

  it('leaves out the samples of the warm-up', async () => {
    let warm = false;
    const measurement = measurementOf({ operations: 1, run: () => busyFor(warm ? 1 : 20) }, 'ms', 1);
    await measurement.warmUp();
    warm = true;
    await measurement.sample();
    assert.deepEqual(measurement.result().costs.length, 1);
  });

  it('measures a promise until it is fulfilled', async () => {
    const measurement = measurementOf({ operations: 1, runAsync: () => sleep(20) }, 'ms', 1);
    await measurement.sample();
    const { costs } = measurement.result();
    assert.equal(costs.length, 1);
    assert.ok(costs[0]! >= 19, String(costs[0]));
  });

  it('repeats a short function until the shortest time of a sample has passed', async () => {
    let calls = 0;
    const measurement = measurementOf({ operations: 1, run: () => void calls++ }, 'ns', 5);
    await measurement.sample();
    assert.ok(calls > 1000, String(calls));
    assert.ok(measurement.result().value < 1000);
  });

  it('is the median of the costs that a side reports itself', async () => {
    const costs = [
      [9, 10],
      [11, 10, 1000],
    ];
    const measurement = measurementOf({ sample: () => costs.shift()! }, 'ns', 1);
    await measurement.sample();
    await measurement.sample();
    assert.deepEqual(measurement.result(), { value: 10, spread: 0.1, costs: [9, 10, 11, 10, 1000] });
  });

  it('runs the hooks around each sample', async () => {
    const calls: string[] = [];
    const hooks = { before: () => void calls.push('before'), after: () => void calls.push('after') };
    const measurement = measurementOf({ ...hooks, sample: () => [calls.push('sample')] }, 'ns', 1);
    await measurement.sample();
    await measurement.sample();
    assert.deepEqual(calls, ['before', 'sample', 'after', 'before', 'sample', 'after']);
  });

  it('fails with the error of the side', async () => {
    const fail = (): never => {
      throw new Error('no device');
    };
    const error = { message: 'no device' };
    await assert.rejects(measurementOf({ operations: 1, run: fail }, 'ns', 1).sample(), error);
    const runAsync = (): Promise<void> => Promise.reject(new Error('no device'));
    await assert.rejects(measurementOf({ operations: 1, runAsync }, 'ns', 1).sample(), error);
    await assert.rejects(measurementOf({ operations: 1, run: () => undefined, after: fail }, 'ns', 1).sample(), error);
    await assert.rejects(measurementOf({ sample: fail }, 'ns', 1).sample(), error);
  });
});
