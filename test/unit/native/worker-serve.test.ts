import assert from 'node:assert/strict';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

import { createLane, destroyLane } from '../../../lib/lane/descriptor.js';
import { LaneProducer } from '../../../lib/lane/lane-producer.js';
import { Op } from '../../../lib/layout/slot.js';
import { addon } from '../../../lib/native/addon.js';
import type { IoWorkerHandle } from '../../../lib/native/lane.js';
import { nextMessage, startWorker } from '../../support/in-worker.js';

const READABLE = 1;
/** Far longer than what is waited for. */
const TURN_MS = 10_000;
/** After it said that it serves, the thread is in native code within this time. */
const ENTERS_MS = 50;
/** What the thread is given to notice, and what a busy machine adds. */
const SOON_MS = 2000;

/**
 * A thread that serves a worker for one turn, and then tells how long the turn took. Before, its event loop does what the start of
 * the thread has left to do, which would end the turn.
 */
function serve(worker: IoWorkerHandle, turnMs: number): ReturnType<typeof startWorker> {
  return startWorker(
    `parentPort.once('message', () => parentPort.postMessage('was told'));
     await new Promise((resolve) => setTimeout(resolve, 50));
     parentPort.postMessage('serves');
     const begun = performance.now();
     addon.workerServe(workerData.worker, workerData.turnMs, 50);
     parentPort.postMessage(performance.now() - begun);`,
    { worker, turnMs },
  );
}

/** Gives a worker a poll that never ends. @returns ends it */
function pollForEver(worker: IoWorkerHandle): () => Promise<void> {
  const fd = addon.memfdCreate('polled', 4096n, 0);
  const region = addon.regionCreate(4096, READABLE, fd, 0, 0n, 0, []);
  const descriptor = createLane(worker, 2);
  const producer = new LaneProducer(descriptor);
  const polled = addon.reachAddRegion(descriptor.lane, region);
  const [mask, deadline] = [1, Number.MAX_SAFE_INTEGER];
  producer.push({ op: Op.poll, width: 4, region: polled, value: 1, mask, deadline });
  producer.publish();
  return async () => {
    await destroyLane(descriptor);
    await addon.regionClose(region);
    addon.closeFdSync(fd);
  };
}

describe('native/lane: a turn of a worker', function () {
  this.timeout(30_000);

  it('ends when its time has passed', async () => {
    const worker = addon.workerCreate();
    const thread = serve(worker, 200);
    assert.equal(await nextMessage(thread), 'serves');
    const took = (await nextMessage(thread)) as number;
    assert.ok(took >= 199, `it took ${took} ms`);
    await thread.terminate();
    addon.workerClose(worker);
  });

  for (const busy of [false, true]) {
    const state = busy ? 'serves an operation' : 'sleeps';

    it(`ends as soon as its thread is terminated while it ${state}`, async () => {
      const worker = addon.workerCreate();
      const end = busy ? pollForEver(worker) : undefined;
      const thread = serve(worker, TURN_MS);
      assert.equal(await nextMessage(thread), 'serves');
      await sleep(ENTERS_MS);
      const begun = performance.now();
      await thread.terminate();
      const took = performance.now() - begun;
      await end?.();
      addon.workerClose(worker);
      assert.ok(took < SOON_MS, `it took ${took} ms`);
    });

    it(`ends as soon as a message arrives while it ${state}`, async () => {
      const worker = addon.workerCreate();
      const end = busy ? pollForEver(worker) : undefined;
      const thread = serve(worker, TURN_MS);
      assert.equal(await nextMessage(thread), 'serves');
      await sleep(ENTERS_MS);
      thread.postMessage('something else');
      const [took] = (await once(thread, 'message')) as [number];
      await thread.terminate();
      await end?.();
      addon.workerClose(worker);
      assert.ok(took < SOON_MS, `it took ${took} ms`);
    });
  }
});
