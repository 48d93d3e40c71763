import assert from 'node:assert/strict';

import { placeRegion } from '../../../lib/guest-bus/placement.js';
import { SimpleBus } from '../../../lib/guest-bus/simple-bus.js';
import { FakeRegion } from './fake-region.js';

const A = 0xc000_0000n;
const B = 0xd000_0000n;

/** A bus that refuses some of its placings, counted from 0, or the undoing of one. */
class FussyBus extends SimpleBus {
  places = 0;
  refusePlaces: number[] = [];
  refuseUndoAt = -1n;

  override mapMemory(...given: Parameters<SimpleBus['mapMemory']>): void {
    this.#count();
    super.mapMemory(...given);
  }
  override registerMmio(...given: Parameters<SimpleBus['registerMmio']>): void {
    this.#count();
    super.registerMmio(...given);
  }
  override unregisterMmio(gpa: bigint): void {
    if (gpa === this.refuseUndoAt) throw new Error('will not undo');
    super.unregisterMmio(gpa);
  }

  #count(): void {
    if (this.refusePlaces.includes(this.places++)) throw new Error('no slot left');
  }
}

function sparse(): FakeRegion {
  return new FakeRegion(0x8000).mapAreas([0x1000, 0x1000], [0x4000, 0x2000]);
}

describe('guest bus: placing, moving and removing a region', () => {
  it('shows the same bytes through memory and handlers', () => {
    const region = sparse();
    const bus = new SimpleBus();
    placeRegion(bus, region, { gpa: A });
    bus.write(A + 0x1010n, 4, 0x11223344n);
    bus.write(A + 0x2010n, 4, 0x55667788n);
    assert.equal(region.data.getUint32(0x1010, true), 0x11223344);
    assert.equal(region.data.getUint32(0x2010, true), 0x55667788);
    assert.deepEqual(region.log, ['w32@8208']);
    assert.equal(bus.read(A + 0x1010n, 8), 0x11223344n);
  });

  it('keeps the guest from writing memory that is not writable', () => {
    const region = new FakeRegion(0x1000, { writable: false }).mapAreas([0, 0x1000]);
    const bus = new SimpleBus();
    placeRegion(bus, region, { gpa: A });
    bus.write(A, 4, 7n);
    assert.equal(region.data.getUint32(0, true), 0);
  });

  it('moves a region and leaves nothing at the old address', () => {
    const region = sparse();
    const bus = new SimpleBus();
    const placement = placeRegion(bus, region, { gpa: A });
    region.data.setUint32(0x1000, 42, true);
    placement.move({ gpa: B });
    assert.equal(bus.read(A + 0x1000n, 4), 0xffffffffn);
    assert.equal(bus.read(B + 0x1000n, 4), 42n);
    assert.equal(bus.size, 5);
    assert.deepEqual(placement.address, { gpa: B });
  });

  it('changes from memory to handlers when a region is moved to an address inside a page, and back', () => {
    const region = new FakeRegion(0x1000).mapAreas([0, 0x1000]);
    const bus = new SimpleBus();
    const placement = placeRegion(bus, region, { gpa: A });
    bus.read(A, 4);
    assert.deepEqual(region.log, []);
    placement.move({ gpa: A + 0x10n });
    bus.read(A + 0x10n, 4);
    assert.deepEqual(region.log, ['r32@0']);
    placement.move({ gpa: B });
    bus.read(B, 4);
    assert.deepEqual(region.log, ['r32@0']);
  });

  it('moves a region of I/O ports', () => {
    const bus = new SimpleBus();
    const placement = placeRegion(bus, new FakeRegion(8, { ioPort: true }), { port: 0xc000 });
    placement.move({ port: 0xd000 });
    assert.equal(bus.readPort(0xc000, 2), 0xffff);
    assert.equal(bus.readPort(0xd000, 2), 0);
  });

  it('removes a region once, and rejects a move after that with ERR_CLOSED', () => {
    const bus = new SimpleBus();
    const placement = placeRegion(bus, sparse(), { gpa: A });
    placement.remove();
    placement.remove();
    assert.equal(bus.size, 0);
    assert.equal(placement.address, undefined);
    assert.throws(() => placement.move({ gpa: B }), { code: 'ERR_CLOSED' });
  });

  it('removes what it has placed when the bus refuses any part', () => {
    for (let step = 0; step < 5; step++) {
      const bus = new FussyBus();
      bus.refusePlaces = [step];
      assert.throws(() => placeRegion(bus, sparse(), { gpa: A }), { message: 'no slot left' });
      assert.equal(bus.places, step + 1);
      assert.equal(bus.size, 0);
    }
  });

  it('leaves a region at its old address when the bus refuses any part of a move', () => {
    for (let step = 5; step < 10; step++) {
      const bus = new FussyBus();
      const region = sparse();
      const placement = placeRegion(bus, region, { gpa: A });
      bus.refusePlaces = [step];
      assert.throws(() => placement.move({ gpa: B }), { message: 'no slot left' });
      assert.deepEqual(placement.address, { gpa: A });
      assert.equal(bus.size, 5);
      assert.equal(bus.read(A, 4), 0n);
    }
  });

  it('rejects an overlap with another range and leaves that range in place', () => {
    const bus = new SimpleBus();
    const first = new FakeRegion(0x1000);
    placeRegion(bus, first, { gpa: A + 0x6000n });
    assert.throws(() => placeRegion(bus, sparse(), { gpa: A }), { code: 'EEXIST' });
    assert.equal(bus.size, 1);
    bus.write(A + 0x6000n, 4, 5n);
    assert.equal(first.data.getUint32(0, true), 5);
  });

  it('rejects a move to an address of the wrong kind and leaves the region in place', () => {
    const bus = new SimpleBus();
    const placement = placeRegion(bus, sparse(), { gpa: A });
    assert.throws(() => placement.move({ port: 0xc000 }), { code: 'ERR_INVALID_ARGUMENT' });
    assert.deepEqual(placement.address, { gpa: A });
  });

  it('removes the other parts when the bus fails to remove one, throws its error, and tries again', () => {
    const bus = new FussyBus();
    const placement = placeRegion(bus, sparse(), { gpa: A });
    bus.refuseUndoAt = A + 0x2000n;
    assert.throws(() => placement.remove(), { message: 'will not undo' });
    assert.equal(bus.size, 1);
    bus.refuseUndoAt = -1n;
    placement.remove();
    assert.equal(bus.size, 0);
  });

  it('throws both errors when a region can neither be moved nor put back', () => {
    const bus = new FussyBus();
    const placement = placeRegion(bus, sparse(), { gpa: A });
    bus.refusePlaces = [7, 8];
    assert.throws(
      () => placement.move({ gpa: B }),
      (error) => error instanceof AggregateError && error.errors.length === 2,
    );
    assert.equal(placement.address, undefined);
    assert.equal(bus.size, 0);
  });
});
