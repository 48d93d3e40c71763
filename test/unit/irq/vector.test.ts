import assert from 'node:assert/strict';

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
