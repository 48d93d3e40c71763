import assert from 'node:assert/strict';
import { constants } from 'node:os';

import type { GuestFault } from '../../../lib/guest-bus/region-handlers.js';
import { placeRegion } from '../../../lib/guest-bus/placement.js';
import { SimpleBus } from '../../../lib/guest-bus/simple-bus.js';
import { MemfdRegion } from './memfd-region.js';

const GPA = 0x4_0000_0000n;

describe('guest bus: a region of the addon', () => {
  let region: MemfdRegion;
  beforeEach(() => {
    region = MemfdRegion.open();
  });

  it('becomes guest memory where it is mapped and handlers where it is trapped', async () => {
    const bus = new SimpleBus();
    placeRegion(bus, region.placeable, { gpa: GPA });
    assert.equal(bus.size, 2);
    for (const start of [GPA + 8n, GPA + 4096n + 8n]) {
      bus.write(start, 8, 0xf1f2f3f4f5f6f7f8n);
      assert.equal(bus.read(start, 8), 0xf1f2f3f4f5f6f7f8n);
      assert.equal(bus.read(start + 1n, 3), 0xf5f6f7n);
    }
    await region.close();
  });

  it('has only handlers at an address inside a page, for every length over both parts', async () => {
    const bus = new SimpleBus();
    const faults: GuestFault[] = [];
    placeRegion(bus, region.placeable, { gpa: GPA + 16n }, { onFault: (fault) => faults.push(fault) });
    assert.equal(bus.size, 1);
    for (let length = 1; length <= 8; length++) {
      for (const offset of [0n, 5n, 4090n, 4094n, 8184n]) {
        const value = 0x8877665544332211n & ((1n << BigInt(8 * length)) - 1n);
        bus.write(GPA + 16n + offset, length, value);
        assert.equal(bus.read(GPA + 16n + offset, length), value, `${length} bytes at ${offset}`);
      }
    }
    assert.deepEqual(faults, []);
    await region.close();
  });

  it('reads as all ones after it is closed, and reports the fault', async () => {
    const bus = new SimpleBus();
    const faults: GuestFault[] = [];
    placeRegion(bus, region.placeable, { gpa: GPA + 16n }, { onFault: (fault) => faults.push(fault) });
    await region.close();
    assert.equal(bus.read(GPA + 16n, 4), 0xffffffffn);
    assert.deepEqual([faults[0]?.reason, faults[0]?.errno], ['io', constants.errno.EBADF]);
  });
});
