import assert from 'node:assert/strict';
import { constants } from 'node:os';

import type { GuestFault } from '../../../lib/guest-bus/region-handlers.js';
import { placeRegion } from '../../../lib/guest-bus/placement.js';
import { SimpleBus } from '../../../lib/guest-bus/simple-bus.js';
import { FakeRegion } from './fake-region.js';

const BASE = 0x1_0000_0800n;

function place(region: FakeRegion): { bus: SimpleBus; faults: GuestFault[]; count: () => number } {
  const bus = new SimpleBus();
  const faults: GuestFault[] = [];
  const address = region.ioPort ? { port: 0xc000 } : { gpa: BASE };
  const placement = placeRegion(bus, region, address, { onFault: (fault) => faults.push(fault) });
  return { bus, faults, count: () => placement.faults };
}

describe('guest bus: trapped accesses', () => {
  it('reads and writes every length from 1 to 8 at every offset of a word, in little endian', () => {
    for (let length = 1; length <= 8; length++) {
      for (let offset = 0; offset < 8; offset++) {
        const region = new FakeRegion(64);
        const { bus, count } = place(region);
        const value = 0xf8e7d6c5b4a39281n & ((1n << BigInt(8 * length)) - 1n);
        bus.write(BASE + BigInt(offset), length, value);
        assert.equal(bus.read(BASE + BigInt(offset), length), value, `length ${length} at ${offset}`);
        const expected = new Uint8Array(8);
        new DataView(expected.buffer).setBigUint64(0, value, true);
        assert.deepEqual(region.memory.subarray(offset, offset + 8), expected);
        assert.equal(
          region.memory.reduce((sum, byte) => sum + byte),
          expected.reduce((sum, byte) => sum + byte),
        );
        assert.equal(count(), 0);
      }
    }
  });

  it('splits an access into the widest naturally aligned ones, in ascending order', () => {
    const cases: [number, number, string[]][] = [
      [0, 4, ['r32@0']],
      [2, 4, ['r16@2', 'r16@4']],
      [1, 4, ['r8@1', 'r16@2', 'r8@4']],
      [0, 8, ['r64@0']],
      [4, 8, ['r32@4', 'r32@8']],
      [1, 7, ['r8@1', 'r16@2', 'r32@4']],
      [0, 3, ['r16@0', 'r8@2']],
    ];
    for (const [offset, length, expected] of cases) {
      const region = new FakeRegion(64);
      place(region).bus.read(BASE + BigInt(offset), length);
      assert.deepEqual(region.log, expected);
    }
  });

  it('answers a read of a region that is not readable with all ones, counts it and reports it', () => {
    const { bus, faults, count } = place(new FakeRegion(64, { readable: false }));
    assert.equal(bus.read(BASE + 8n, 4), 0xffffffffn);
    assert.equal(count(), 1);
    assert.deepEqual(faults, [{ regionIndex: 0, regionOffset: 8, length: 4, write: false, reason: 'flags', errno: 0 }]);
  });

  it('drops a write to a region that is not writable', () => {
    const region = new FakeRegion(64, { writable: false });
    const { bus, faults } = place(region);
    bus.write(BASE, 4, 1n);
    assert.deepEqual(region.log, []);
    assert.deepEqual([faults[0]?.reason, faults[0]?.write], ['flags', true]);
  });

  it('answers a read with all ones if one of its parts fails, and serves the next access', () => {
    const region = new FakeRegion(64);
    region.failAt = 8;
    const { bus, faults } = place(region);
    assert.equal(bus.read(BASE + 4n, 8), 0xffffffffffffffffn);
    bus.write(BASE + 8n, 4, 1n);
    assert.deepEqual(
      faults.map(({ reason, write, errno }) => [reason, write, errno]),
      [
        ['io', false, constants.errno.EIO],
        ['io', true, constants.errno.EIO],
      ],
    );
    assert.equal(bus.read(BASE, 4), 0n);
  });

  it('rejects lengths of 0 and 9 bytes, and accesses beyond the region', () => {
    const region = new FakeRegion(64);
    const reasons: string[] = [];
    const bus = new SimpleBus();
    let handlers: Parameters<SimpleBus['registerMmio']>[2] | undefined;
    const spy = Object.assign(Object.create(bus) as SimpleBus, {
      registerMmio: (_gpa: bigint, _size: number, given: NonNullable<typeof handlers>) => (handlers = given),
    });
    placeRegion(spy, region, { gpa: BASE }, { onFault: (fault) => reasons.push(fault.reason) });
    const data = new Uint8Array(16);
    assert.ok(handlers);
    assert.equal(handlers.read(0, data, 0), false);
    assert.equal(handlers.read(0, data, 9), false);
    assert.equal(handlers.read(60, data, 8), false);
    assert.equal(handlers.write(-1, data, 1), false);
    assert.equal(handlers.read(56, data, 8), true);
    assert.deepEqual(reasons, ['length', 'length', 'bounds', 'bounds']);
  });

  it('accepts only accesses of 1, 2 and 4 bytes on ports', () => {
    const region = new FakeRegion(0x20, { ioPort: true });
    const { bus, faults } = place(region);
    bus.writePort(0xc004, 4, 0xdeadbeef);
    bus.writePort(0xc004, 1, 0x11);
    assert.equal(bus.readPort(0xc004, 4), 0xdeadbe11);
    assert.equal(bus.readPort(0xc006, 2), 0xdead);
    assert.equal(bus.readPort(0xc000, 3), 0xffffff);
    assert.deepEqual(
      faults.map((fault) => fault.reason),
      ['length'],
    );
  });
});
