import assert from 'node:assert/strict';

import fc from 'fast-check';

import { walkCapabilities, walkExtendedCapabilities } from '../../../lib/config-space/capabilities.js';
import type { ConfigIo } from '../../../lib/config-space/config-io.js';
import { ConfigSpace } from '../../../lib/config-space/config-space.js';
import { parseHeader } from '../../../lib/config-space/header.js';
import { Liveness } from '../../../lib/kernel/liveness.js';

/** The config space of a device in memory, with a list of the writes to it. */
function fakeDevice(size = 256): {
  bytes: Uint8Array;
  view: DataView;
  writes: [number, number[]][];
  config: ConfigSpace;
} {
  const bytes = new Uint8Array(size);
  const writes: [number, number[]][] = [];
  const io: ConfigIo = {
    size,
    read: (offset, length) => Promise.resolve(bytes.slice(offset, offset + length)),
    write: (offset, data) => {
      writes.push([offset, [...data]]);
      bytes.set(data, offset);
      return Promise.resolve();
    },
  };
  const config = ConfigSpace.create(io, new Liveness('fake'));
  return { bytes, view: new DataView(bytes.buffer), writes, config };
}

describe('config space', () => {
  it('parses the header of a device with 64-bit, 32-bit and port BARs', () => {
    const { bytes, view } = fakeDevice();
    view.setUint32(0, 0x11e81234, true);
    view.setUint8(8, 0x10);
    view.setUint8(9, 0x34);
    view.setUint16(10, 0x0200, true);
    view.setUint8(0x0e, 0x80);
    view.setUint32(0x10, 0xfe70000c, true);
    view.setUint32(0x14, 0x1, true);
    view.setUint32(0x18, 0xc001, true);
    view.setUint32(0x1c, 0x80000000, true);
    view.setUint32(0x2c, 0x5678_1af4, true);
    view.setUint8(0x3d, 1);
    const header = parseHeader(bytes);
    assert.equal(header.vendorId, 0x1234);
    assert.equal(header.deviceId, 0x11e8);
    assert.equal(header.classCode, 0x020034);
    assert.equal(header.multifunction, true);
    assert.deepEqual(header.bars, [
      { barIndex: 0, kind: 'memory64', prefetchable: true, address: 0x1_fe700000n },
      { barIndex: 2, kind: 'io', prefetchable: false, address: 0xc000n },
      { barIndex: 3, kind: 'memory32', prefetchable: false, address: 0x80000000n },
    ]);
    assert.deepEqual(header.subsystem, { vendorId: 0x1af4, id: 0x5678 });
    assert.equal(header.interruptPin, 1);
  });

  it('parses the header of a bridge', () => {
    const { bytes, view } = fakeDevice();
    view.setUint8(0x0e, 1);
    bytes.set([1, 2, 3], 0x18);
    view.setUint32(0x38, 0xfeb00001, true);
    const header = parseHeader(bytes);
    assert.deepEqual(header.bridge, { primaryBus: 1, secondaryBus: 2, subordinateBus: 3 });
    assert.equal(header.romAddress, 0xfeb00001);
    assert.equal(header.subsystem, undefined);
  });

  it('lists both kinds of capabilities and ends at a loop', () => {
    const { bytes, view } = fakeDevice(4096);
    view.setUint16(6, 0x10, true);
    view.setUint8(0x34, 0x40);
    bytes.set([0x05, 0x50], 0x40);
    bytes.set([0x11, 0x40], 0x50);
    assert.deepEqual(walkCapabilities(bytes), [
      { id: 5, offset: 0x40 },
      { id: 0x11, offset: 0x50 },
    ]);
    view.setUint32(0x100, 0x140_2_0001, true);
    view.setUint32(0x140, 0x100_1_000b, true);
    assert.deepEqual(walkExtendedCapabilities(bytes), [
      { id: 1, version: 2, offset: 0x100 },
      { id: 0xb, version: 1, offset: 0x140 },
    ]);
    view.setUint16(6, 0, true);
    assert.deepEqual(walkCapabilities(bytes), []);
    assert.deepEqual(walkExtendedCapabilities(bytes.subarray(0, 256)), []);
  });

  it('ends the lists for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4096, maxLength: 4096, size: 'max' }), (bytes) => {
        bytes[6] = 0x10;
        assert.ok(walkCapabilities(bytes).length <= 48);
        assert.ok(walkExtendedCapabilities(bytes).length <= 960);
      }),
      { numRuns: 50 },
    );
  });

  it('shows other ids and never writes them to the device', async () => {
    const { view, writes, config } = fakeDevice();
    view.setUint32(0, 0x11e81234, true);
    config.overrideIds({ vendorId: 0x8086, subsystemId: 7 });
    assert.equal(await config.read32(0), 0x11e88086);
    assert.equal(await config.read8(1), 0x80);
    assert.equal((await config.header()).subsystem?.id, 7);
    await config.write16(0, 0xffff);
    assert.deepEqual(writes, []);
    await config.write32(0, 0xaaaabbbb);
    assert.deepEqual(writes, [[0, [0x34, 0x12, 0xaa, 0xaa]]]);
    assert.equal(await config.read16(0), 0x8086);
  });

  it('emulates single bits, some of which a write changes', async () => {
    const { view, config } = fakeDevice();
    view.setUint8(0x40, 0b1010_1010);
    config.emulate({ offset: 0x40, width: 1, mask: 0b0000_1111, value: 0b0000_0101, writable: 0b0000_0001 });
    assert.equal(await config.read8(0x40), 0b1010_0101);
    await config.write8(0x40, 0b0101_0010);
    assert.equal(await config.read8(0x40), 0b0101_0100);
    assert.equal(view.getUint8(0x40), 0b0101_1010);
  });

  it('changes single command bits, and writes nothing if the bit is set already', async () => {
    const { view, writes, config } = fakeDevice();
    view.setUint16(4, 0x103, true);
    await Promise.all([config.setBusMaster(true), config.setMemoryDecode(false)]);
    assert.equal(view.getUint16(4, true), 0x105);
    await config.setBusMaster(true);
    assert.equal(writes.length, 2);
  });

  it('rejects accesses outside of config space', async () => {
    const { config } = fakeDevice();
    await assert.rejects(config.read(254, 4), { code: 'ERR_OUT_OF_RANGE' });
    await assert.rejects(config.write8(256, 0), { code: 'ERR_OUT_OF_RANGE' });
    await assert.rejects(config.read32(-4), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => config.emulate({ offset: 255, width: 2, value: 0 }), { code: 'ERR_INVALID_ARGUMENT' });
  });
});
