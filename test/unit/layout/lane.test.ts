import assert from 'node:assert/strict';

import { LANE, WORKER } from '../../../lib/layout/lane.js';
import { SLOT } from '../../../lib/layout/slot.js';
import { addon } from '../../../lib/native/addon.js';

describe('the layout of a lane', () => {
  it('is the same in TypeScript and in C++', () => {
    const { size, ...fields } = SLOT;
    const { waiting, ...lane } = LANE;
    assert.deepEqual(addon.laneLayout(), { ...fields, ...lane, ...WORKER, slotSize: size });
    assert.ok(waiting > LANE.produced && waiting < LANE.notify);
  });
});
