import assert from 'node:assert/strict';

import type { Device } from '../../lib/device/device.js';
import type { Engine } from '../../lib/engine/engine.js';
import { Program } from '../../lib/region/program.js';
import type { Region } from '../../lib/region/region.js';
import * as pci from '../../lib/uapi/pci.js';
import { VFIO_PCI_CONFIG_REGION_INDEX } from '../../lib/uapi/vfio.js';
import { rejects } from './edu-dma.js';

/** A device with MSI-X, which nothing uses. */
export interface WaysSubject {
  readonly engine: Engine;
  readonly name: string;
  /** A register of a memory BAR, outside of the MSI-X table. */
  readonly register: { readonly bar: number; readonly offset: number };
  close(): Promise<void>;
}

/** A way to access a register of 4 bytes. */
interface Way {
  readonly read: (region: Region, offset: number) => Promise<number>;
  readonly write: (region: Region, offset: number, value: number) => Promise<void>;
}

const WAYS: Readonly<Record<string, Way>> = {
  'the device’s lane': {
    read: (region, offset) => region.read32(offset),
    write: (region, offset, value) => region.write32(offset, value),
  },
  'the accessor': {
    // A promise, so that what it throws is a rejection.
    read: async (region, offset) => Promise.resolve(region.accessor.read32(offset)),
    write: async (region, offset, value) => Promise.resolve(region.accessor.write32(offset, value)),
  },
  'a program on this thread': {
    read: async (region, offset) => {
      const program = new Program(region);
      const step = program.read32(offset);
      await Promise.resolve(program.run());
      return program.value(step);
    },
    write: async (region, offset, value) => {
      const program = new Program(region);
      program.write32(offset, value);
      await Promise.resolve(program.run());
    },
  },
};

/** While memory decoding is off, a mapped BAR is revoked by the first access. */
export function describeMappedDecoding(name: string, open: () => Promise<WaysSubject>): void {
  describe(`a mapped BAR without memory decoding, on ${name}`, () => {
    let subject: WaysSubject;
    let device: Device;
    before(async () => {
      subject = await open();
    });
    beforeEach(async () => {
      device = await subject.engine.attach(subject.name);
    });
    afterEach(() => device.detach());
    after(() => subject.close());

    for (const [title, way] of Object.entries(WAYS)) {
      it(`is revoked by an access, and restored with decoding: ${title}`, async () => {
        const region = device.region(0);
        const events: string[] = [];
        for (const change of ['revoked', 'restored'] as const) device.on(change, () => events.push(change));
        const before = await way.read(region, 0x14);
        await device.config.setMemoryDecode(false);
        assert.equal(region.revoked, false, 'no access has noticed it');
        await rejects(way.read(region, 0x14), 'ERR_REVOKED');
        await rejects(way.write(region, 0x14, 1), 'ERR_REVOKED');
        assert.equal(region.revoked, true);
        await device.config.setMemoryDecode(true);
        assert.equal(region.revoked, false);
        assert.equal(await way.read(region, 0x14), before);
        assert.deepEqual(events, ['revoked', 'restored']);
      });
    }

    it('is not revoked without an access', async () => {
      const region = device.region(0);
      const before = region.accessor.read32(0x14);
      await device.config.setMemoryDecode(false);
      await device.config.setMemoryDecode(true);
      assert.equal(region.accessor.read32(0x14), before);
      assert.equal(region.revoked, false);
    });
  });
}

/** What vfio-pci virtualizes is the same by every way to access a region. */
export function describeVirtualizedWays(name: string, open: () => Promise<WaysSubject>): void {
  describe(`what vfio-pci virtualizes, on ${name}`, () => {
    let subject: WaysSubject;
    let device: Device;
    let table: Region;
    let tableOffset: number;
    let flagsAt: number;
    before(async () => {
      subject = await open();
    });
    beforeEach(async () => {
      // The real kernel lets a user map the table.
      device = await subject.engine.attach(subject.name, { trap: true });
      const msix = (await device.config.capabilities()).find(({ id }) => id === pci.PCI_CAP_ID_MSIX);
      assert.ok(msix, 'the device has MSI-X');
      flagsAt = msix.offset;
      const place = await device.config.read32(msix.offset + pci.PCI_MSIX_TABLE);
      table = device.region(place & 7);
      tableOffset = place & ~7;
    });
    afterEach(() => device.detach());
    after(() => subject.close());

    for (const [title, way] of Object.entries(WAYS)) {
      it(`hides the MSI-X table: ${title}`, async () => {
        assert.equal(await way.read(table, tableOffset), 0xffff_ffff);
        await way.write(table, tableOffset, 0xfee0_0000);
        assert.equal(await way.read(table, tableOffset), 0xffff_ffff);
      });

      it(`drops writes to the flags of MSI-X, and keeps BARs: ${title}`, async () => {
        const config = device.region(VFIO_PCI_CONFIG_REGION_INDEX);
        const flags = await way.read(config, flagsAt);
        await way.write(config, flagsAt, (flags | 0xc000_0000) >>> 0);
        assert.equal(await way.read(config, flagsAt), flags);
        const bar = await way.read(config, pci.PCI_BASE_ADDRESS_0);
        await way.write(config, pci.PCI_BASE_ADDRESS_0, 0xffff_ffff);
        const mask = (-Number(device.region(0).size) | (bar & 0xf)) >>> 0;
        assert.equal(await way.read(config, pci.PCI_BASE_ADDRESS_0), mask);
        await way.write(config, pci.PCI_BASE_ADDRESS_0, bar);
      });

      it(`fails with EIO while memory decoding is off: ${title}`, async () => {
        const config = device.region(VFIO_PCI_CONFIG_REGION_INDEX);
        const command = await device.config.read16(pci.PCI_COMMAND);
        const { bar, offset } = subject.register;
        await way.read(device.region(bar), offset);
        await way.write(config, pci.PCI_COMMAND, command & ~pci.PCI_COMMAND_MEMORY);
        await rejects(way.read(device.region(bar), offset), 'EIO');
        await rejects(way.write(device.region(bar), offset, 0), 'EIO');
        assert.equal(await way.read(table, tableOffset), 0xffff_ffff, 'the table needs no decoding');
        await way.write(config, pci.PCI_COMMAND, command);
        await way.read(device.region(bar), offset);
      });
    }
  });
}
