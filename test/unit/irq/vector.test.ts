import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';

import { IrqVector } from '../../../lib/irq/vector.js';
import { addon } from '../../../lib/native/addon.js';

describe('the eventfd of a vector', () => {
  it('delivers the interrupts that are still in the eventfd when the vector ends', async () => {
    let heard = 0;
    const vector = IrqVector.create((count) => void (heard += count));
    const waiting = vector.next();
    addon.eventfdWrite(vector.fd, 5);
    vector.end();
    assert.equal(heard, 5);
    assert.equal(await waiting, 5);
    vector.end();
    vector.close();
    assert.equal(heard, 5);
  });

  it('ends a wait whose signal is aborted, and loses no interrupt by it', async () => {
    const vector = IrqVector.create(() => undefined);
    const abort = new AbortController();
    const aborted = { code: 'ERR_ABORTED', cause: 'enough' };
    const [first, second] = [vector.next({ signal: abort.signal }), vector.next()];
    abort.abort('enough');
    await assert.rejects(first, aborted);
    addon.eventfdWrite(vector.fd, 2);
    assert.equal(await second, 2);
    addon.eventfdWrite(vector.fd, 3);
    await assert.rejects(vector.next({ signal: abort.signal }), aborted);
    assert.equal(await vector.next(), 3);
    vector.close();
  });

  it('keeps no listener of a signal after the wait', async () => {
    const vector = IrqVector.create(() => undefined);
    const { signal } = new AbortController();
    addon.eventfdWrite(vector.fd, 1);
    await vector.next({ signal, timeoutMs: 5000 });
    await assert.rejects(vector.next({ signal, timeoutMs: 0 }), { code: 'ERR_TIMEOUT' });
    assert.equal(getEventListeners(signal, 'abort').length, 0);
    vector.close();
  });

  it('rejects waits when it is closed, and signals it to other threads', async () => {
    const vector = IrqVector.create(() => undefined);
    const waiting = assert.rejects(vector.next(), { code: 'ERR_CLOSED' });
    assert.equal(vector.off[0], 0);
    vector.close();
    await waiting;
    assert.equal(vector.off[0], 1);
    vector.close();
  });
});
