import assert from 'node:assert/strict';

import { Once } from '../../../lib/base/once.js';

describe('Once', () => {
  it('shares the work between callers, and starts it again after a failure', async () => {
    const once = new Once<number>();
    assert.equal(once.begun, undefined);
    let times = 0;
    const fails = (): Promise<number> => Promise.reject(new Error(`${(times += 1)}`));
    const [first, second] = [once.run(fails), once.run(fails)];
    assert.equal(first, second);
    await assert.rejects(first, { message: '1' });
    assert.equal(once.begun, undefined);
    await assert.rejects(once.run(fails), { message: '2' });
    assert.equal(await once.run(() => Promise.resolve(3)), 3);
    assert.equal(await once.run(fails), 3);
    assert.notEqual(once.begun, undefined);
  });
});
