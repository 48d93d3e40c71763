import assert from 'node:assert/strict';

import { planPlacement } from '../../../lib/guest-bus/placement-plan.js';
import { FakeRegion } from './fake-region.js';

/** The parts as `kind offset+size`. */
function plan(region: FakeRegion, gpa: bigint, pageSize = 4096): string[] {
  return planPlacement(region, { gpa }, pageSize).map(
    ({ kind, offset, size }) => `${kind} 0x${offset.toString(16)}+0x${size.toString(16)}`,
  );
}

describe('guest bus: the parts of a region that are memory or trapped', () => {
  it('traps a region without mapped areas as a whole, at its exact size', () => {
    assert.deepEqual(plan(new FakeRegion(0x1804), 0x10000n), ['mmio 0x0+0x1804']);
  });

  it('makes a wholly mapped region memory at a page-aligned address', () => {
    assert.deepEqual(plan(new FakeRegion(0x2000).mapAreas([0, 0x2000]), 0x10000n), ['memory 0x0+0x2000']);
  });

  it('traps a mapped region at an address inside a page', () => {
    assert.deepEqual(plan(new FakeRegion(0x2000).mapAreas([0, 0x2000]), 0x10800n), ['mmio 0x0+0x2000']);
  });

  it('rounds memory at the end of a region up to a page', () => {
    assert.deepEqual(plan(new FakeRegion(0x1100).mapAreas([0, 0x1100]), 0x10000n), ['memory 0x0+0x2000']);
  });

  it('traps the gaps between the mapped areas, before and after them too', () => {
    const region = new FakeRegion(0x8000).mapAreas([0x1000, 0x1000], [0x4000, 0x2000]);
    assert.deepEqual(plan(region, 0x10000n), [
      'mmio 0x0+0x1000',
      'memory 0x1000+0x1000',
      'mmio 0x2000+0x2000',
      'memory 0x4000+0x2000',
      'mmio 0x6000+0x2000',
    ]);
  });

  it('traps the part of an area that does not fill a page', () => {
    const region = new FakeRegion(0x8000).mapAreas([0x800, 0x1000], [0x3000, 0x1800]);
    assert.deepEqual(plan(region, 0x10000n), ['mmio 0x0+0x3000', 'memory 0x3000+0x1000', 'mmio 0x4000+0x4000']);
  });

  it('uses the page size that it is given', () => {
    const region = new FakeRegion(0x20000).mapAreas([0x1000, 0x1f000]);
    assert.deepEqual(plan(region, 0x10000n, 0x10000), ['mmio 0x0+0x20000']);
    assert.deepEqual(plan(new FakeRegion(0x1000).mapAreas([0, 0x1000]), 0x1000n, 0x10000), ['mmio 0x0+0x1000']);
  });

  it('traps a region that cannot be read, and makes memory read-only for one that cannot be written', () => {
    const writeOnly = new FakeRegion(0x1000, { readable: false }).mapAreas([0, 0x1000]);
    assert.deepEqual(plan(writeOnly, 0x10000n), ['mmio 0x0+0x1000']);
    const readOnly = new FakeRegion(0x1000, { writable: false }).mapAreas([0, 0x1000]);
    const [part] = planPlacement(readOnly, { gpa: 0x10000n }, 4096);
    assert.ok(part?.kind === 'memory' && !part.writable);
  });

  it('places a region of I/O ports at ports', () => {
    const [part, ...rest] = planPlacement(new FakeRegion(0x20, { ioPort: true }), { port: 0xc000 }, 4096);
    assert.deepEqual(part, { kind: 'pio', offset: 0, size: 0x20 });
    assert.deepEqual(rest, []);
  });

  it('rejects an address of the wrong kind and an empty region', () => {
    const refused = { code: 'ERR_INVALID_ARGUMENT' };
    assert.throws(() => planPlacement(new FakeRegion(0x20, { ioPort: true }), { gpa: 0n }, 4096), refused);
    assert.throws(() => planPlacement(new FakeRegion(0x20), { port: 0xc000 }, 4096), refused);
    assert.throws(() => planPlacement(new FakeRegion(0), { gpa: 0n }, 4096), refused);
  });
});
