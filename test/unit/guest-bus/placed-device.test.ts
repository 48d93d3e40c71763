import assert from 'node:assert/strict';

import { placeDevice, type PlacedDevice, type PlaceDeviceOptions } from '../../../lib/guest-bus/placed-device.js';
import { SimpleBus } from '../../../lib/guest-bus/simple-bus.js';
import { FakeRegion } from './fake-region.js';

/** Config space whose BARs keep the bits above their size, as vfio-pci's do. */
class FakeConfig extends FakeRegion {
  /** What stays as it is, by the offset of the register. */
  readonly fixed = new Map<number, { readonly mask: number; readonly value: number }>();

  constructor() {
    super(256);
  }

  setBar(index: number, size: number, flags: number): void {
    this.fixed.set(0x10 + 4 * index, { mask: size === 0 ? 0 : size - 1, value: flags });
    this.data.setUint32(0x10 + 4 * index, flags, true);
  }

  protected override store(offset: number, bytes: Uint8Array): void {
    super.store(offset, bytes);
    const { mask, value: flags } = this.fixed.get(offset) ?? { mask: 0, value: 0 };
    this.data.setUint32(offset, (this.data.getUint32(offset, true) & ~mask) | flags, true);
  }
}

const A = 0xc000_0000;
const HIGH = 0x12;

/** BAR0 memory, BAR1 ports, BAR2 and 3 64-bit memory, a ROM. */
function machine(options: PlaceDeviceOptions = {}) {
  const config = new FakeConfig();
  config.setBar(0, 0x2000, 0);
  config.setBar(1, 0x20, 1);
  config.setBar(2, 0x4000, 4);
  const regions = [
    new FakeRegion(0x2000).mapAreas([0, 0x2000]),
    new FakeRegion(0x20, { ioPort: true }),
    new FakeRegion(0x4000),
    undefined,
    undefined,
    undefined,
    new FakeRegion(0x800, { writable: false }),
  ];
  const bus = new SimpleBus();
  const placed = placeDevice(bus, { config, regions }, options);
  return { bus, placed, config, regions };
}

function write(placed: PlacedDevice, offset: number, value: number, length = 4): void {
  const data = new Uint8Array(8);
  new DataView(data.buffer).setUint32(0, value, true);
  assert.ok(placed.writeConfig(offset, data, length));
}

function programAll(placed: PlacedDevice): void {
  write(placed, 0x10, A);
  write(placed, 0x14, 0xc000);
  write(placed, 0x18, 0x8000_0000);
  write(placed, 0x1c, HIGH);
  write(placed, 0x30, 0xe000_0001);
}

describe('guest bus: a device that follows its BARs', () => {
  it('places nothing before decoding is on, then all regions, and removes them when it goes off', () => {
    const { bus, placed } = machine();
    programAll(placed);
    assert.equal(bus.size, 0);
    write(placed, 0x04, 3, 2);
    assert.deepEqual(
      [0, 1, 2, 3, 6].map((index) => placed.address(index)),
      [{ gpa: 0xc000_0000n }, { port: 0xc000 }, { gpa: 0x12_8000_0000n }, undefined, { gpa: 0xe000_0000n }],
    );
    write(placed, 0x04, 0, 2);
    assert.equal(bus.size, 0);
  });

  it('turns ports and memory on by separate bits', () => {
    const { placed } = machine();
    programAll(placed);
    write(placed, 0x04, 1, 1);
    assert.deepEqual([placed.address(0), placed.address(1)], [undefined, { port: 0xc000 }]);
    write(placed, 0x04, 2, 1);
    assert.deepEqual([placed.address(0), placed.address(1)], [{ gpa: 0xc000_0000n }, undefined]);
  });

  it('moves a BAR that the guest programs again while it decodes', () => {
    const { bus, placed, regions } = machine();
    programAll(placed);
    write(placed, 0x04, 2, 2);
    write(placed, 0x10, 0xd000_0000);
    bus.write(0xd000_0010n, 4, 77n);
    assert.equal(regions[0]?.data.getUint32(0x10, true), 77);
    assert.equal(bus.read(0xc000_0010n, 4), 0xffffffffn);
  });

  it('removes a BAR from the bus while the guest reads its size, and returns the size', () => {
    const { placed } = machine();
    programAll(placed);
    write(placed, 0x04, 3, 2);
    write(placed, 0x10, 0xffffffff);
    const data = new Uint8Array(8);
    assert.ok(placed.readConfig(0x10, data, 4));
    assert.equal(new DataView(data.buffer).getUint32(0, true), 0xffffe000);
    assert.equal(placed.address(0), undefined);
    write(placed, 0x14, 0xffffffff);
    assert.equal(placed.address(1), undefined);
    write(placed, 0x10, A);
    assert.deepEqual(placed.address(0), { gpa: BigInt(A) });
  });

  it('places the ROM only while its enable bit is on', () => {
    const { placed } = machine();
    programAll(placed);
    write(placed, 0x04, 2, 2);
    write(placed, 0x30, 0xe000_0000);
    assert.equal(placed.address(6), undefined);
  });

  it('leaves a region off the bus when it overlaps another, reports it, and continues', () => {
    const refused: number[] = [];
    const { bus, placed } = machine({ onRefused: (index) => refused.push(index) });
    programAll(placed);
    write(placed, 0x04, 2, 2);
    write(placed, 0x18, A);
    write(placed, 0x1c, 0);
    assert.deepEqual(refused, [2]);
    assert.equal(placed.address(2), undefined);
    write(placed, 0x18, 0x9000_0000);
    assert.deepEqual(placed.address(2), { gpa: 0x9000_0000n });
    assert.equal(bus.size, 3);
  });

  it('removes all regions', () => {
    const { bus, placed } = machine();
    programAll(placed);
    write(placed, 0x04, 3, 2);
    assert.equal(bus.size, 4);
    placed.remove();
    assert.equal(bus.size, 0);
  });

  it('ignores writes to other registers', () => {
    const { placed, config } = machine();
    programAll(placed);
    write(placed, 0x04, 2, 2);
    config.log.length = 0;
    write(placed, 0x40, 5);
    assert.deepEqual(config.log, ['w32@64']);
  });
});
