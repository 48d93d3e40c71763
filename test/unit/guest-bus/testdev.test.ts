import assert from 'node:assert/strict';

import type { Device } from '../../../lib/device/device.js';
import { Engine } from '../../../lib/engine/engine.js';
import { placeDevice, type PlacedDevice } from '../../../lib/guest-bus/placed-device.js';
import type { GuestFault } from '../../../lib/guest-bus/region-handlers.js';
import { SimpleBus } from '../../../lib/guest-bus/simple-bus.js';
import { IDENT, REG } from '../../../lib/models/testdev/layout.js';

const BAR0 = 0xc000_0000n;
const BAR2 = 0x12_0000_0000n;
const ROM = 0xd000_0000n;

/** Writes config space as a guest does. */
function writeConfig(placed: PlacedDevice, offset: number, value: number, length = 4): void {
  const data = new Uint8Array(8);
  new DataView(data.buffer).setUint32(0, value, true);
  assert.ok(placed.writeConfig(offset, data, length));
}

describe('guest bus: a testdev of the software core', () => {
  const bus = new SimpleBus();
  const faults: GuestFault[] = [];
  let engine: Engine;
  let device: Device;
  let placed: PlacedDevice;

  before(async () => {
    engine = new Engine();
    device = await engine.attach('testdev');
    const regions = Array.from({ length: 7 }, (_, index) =>
      device.regions.find(({ regionIndex }) => regionIndex === index),
    );
    placed = placeDevice(bus, { config: device.region(7), regions }, { onFault: (fault) => faults.push(fault) });
    writeConfig(placed, 0x04, 0, 2);
    writeConfig(placed, 0x10, Number(BAR0));
    writeConfig(placed, 0x14, 0xc000);
    writeConfig(placed, 0x18, Number(BAR2 & 0xffffffffn));
    writeConfig(placed, 0x1c, Number(BAR2 >> 32n));
    writeConfig(placed, 0x30, Number(ROM) | 1);
    writeConfig(placed, 0x04, 3, 2);
  });
  after(() => engine.close());

  it('appears at the addresses that the guest programmed', () => {
    assert.deepEqual(
      [0, 1, 2, 6].map((index) => placed.address(index)),
      [{ gpa: BAR0 }, { port: 0xc000 }, { gpa: BAR2 }, { gpa: ROM }],
    );
  });

  it('has memory in BAR0 that the driver sees as well', async () => {
    bus.write(BAR0 + 0x20n, 8, 0xfedcba9876543210n);
    assert.equal(await device.region(0).read64(0x20), 0xfedcba9876543210n);
  });

  it('has registers and memory side by side in BAR2', () => {
    assert.equal(bus.read(BAR2 + BigInt(REG.IDENT), 4), BigInt(IDENT));
    bus.write(BAR2 + 0x1ff8n, 8, 7n);
    assert.equal(bus.read(BAR2 + 0x1ff8n, 8), 7n);
    bus.write(BAR2 + BigInt(REG.SCRATCH64), 8, 0x8000000000000001n);
    assert.equal(bus.read(BAR2 + BigInt(REG.SCRATCH64), 8), 0x8000000000000001n);
  });

  it('receives an access of 7 bytes as the widest aligned accesses', () => {
    bus.write(BAR2 + BigInt(REG.PROBE) + 1n, 7, 0x77665544332211n);
    assert.equal(bus.read(BAR2 + BigInt(REG.PROBE), 8), 0x7766554433221100n);
    assert.equal(bus.read(BAR2 + BigInt(REG.LAST_ACCESS), 4), BigInt((REG.PROBE << 8) | 8));
  });

  it('has ports in BAR1, and a ROM that cannot be written', () => {
    bus.writePort(0xc010, 4, 0xdeadbeef);
    assert.equal(bus.readPort(0xc012, 2), 0xdead);
    assert.equal(bus.read(ROM, 2), 0xaa55n);
    assert.equal(faults.length, 0);
    bus.write(ROM, 2, 0n);
    assert.deepEqual(
      faults.map(({ reason }) => reason),
      ['flags'],
    );
  });

  it('disappears when the guest turns decoding off, and comes back', () => {
    writeConfig(placed, 0x04, 0, 2);
    assert.equal(bus.size, 0);
    assert.equal(bus.read(BAR0 + 0x20n, 4), 0xffffffffn);
    writeConfig(placed, 0x04, 3, 2);
    assert.equal(bus.read(BAR0 + 0x20n, 4), 0x76543210n);
  });
});
