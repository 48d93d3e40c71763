import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { walkCapabilities, walkExtendedCapabilities } from '../../../lib/config-space/capabilities.js';
import * as pci from '../../../lib/uapi/pci.js';
import { ServedConfig } from '../../support/served-config.js';

/** What a device of QEMU has and what vfio-pci of Linux 6.12 showed of it, in hexadecimal without the zeroes at the end. */
interface Dump {
  readonly size: number;
  /** Those of the BARs and of the ROM. */
  readonly sizes: readonly number[];
  readonly device: string;
  readonly shown: string;
  /** The bytes that were not written. */
  readonly skipped: readonly number[];
  /** Each byte after a write of 0xff, and after a write of 0; each had its own value back before the next. */
  readonly ones: string;
  readonly zeroes: string;
}

const ROOT = resolve(import.meta.dirname, '../../../..');
const DUMPS = JSON.parse(readFileSync(join(ROOT, 'test/unit/kernel-answers/config-dumps.json'), 'utf8')) as Readonly<
  Record<string, Dump>
>;
const EXTENDED_HEADER = 4;

function bytesOf(hex: string, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  bytes.set(Buffer.from(hex, 'hex'));
  return bytes;
}

describe('config space as vfio-pci shows it', () => {
  for (const [name, dump] of Object.entries(DUMPS)) {
    describe(`of ${name}, recorded from the real kernel`, () => {
      let config: ServedConfig;
      beforeEach(async () => {
        config = await ServedConfig.open(bytesOf(dump.device, dump.size), dump.sizes);
      });
      afterEach(() => config.close());

      it('reads as there', () => {
        assert.deepEqual(config.read(0, dump.size), bytesOf(dump.shown, dump.size));
      });

      it('takes each write that was taken there, and drops those to bytes that vfio-pci keeps', () => {
        const before = bytesOf(dump.shown, dump.size);
        for (const [value, recorded] of [
          [0xff, bytesOf(dump.ones, dump.size)],
          [0, bytesOf(dump.zeroes, dump.size)],
        ] as const) {
          for (let at = 0; at < dump.size; at += 1) {
            if (dump.skipped.includes(at)) continue;
            config.write(at, value);
            const seen = config.read(at, 1)[0] ?? 0;
            // A bit that changed there changes here. All bits of this device can be written, those of QEMU's cannot.
            const changed = (recorded[at] ?? 0) ^ (before[at] ?? 0);
            assert.equal((seen ^ (recorded[at] ?? 0)) & changed, 0, `${value} at 0x${at.toString(16)}`);
            if (isFixed(before, at)) assert.equal(seen, before[at], `${value} at 0x${at.toString(16)}`);
            config.write(at, before[at] ?? 0);
          }
        }
      });
    });
  }

  describe('of a device that was made up', () => {
    let config: ServedConfig;
    const word = (at: number): number => new DataView(config.read(at, 2).buffer).getUint16(0, true);
    const dword = (at: number): number => new DataView(config.read(at, 4).buffer).getUint32(0, true);
    beforeEach(async () => {
      config = await ServedConfig.open(madeUp(), [0, 0, 0, 0, 0, 0, 0]);
    });
    afterEach(() => config.close());

    it('hides the capabilities that vfio-pci does not know', () => {
      const seen = config.read(0, 4096);
      assert.deepEqual(
        walkCapabilities(seen).map(({ id, offset }) => [id, offset]),
        [
          [pci.PCI_CAP_ID_PM, 0x50],
          [0x13, 0x60],
          [pci.PCI_CAP_ID_VNDR, 0x70],
          [pci.PCI_CAP_ID_EXP, 0x80],
        ],
      );
      // A hidden one at the start of the extended list keeps its place, without an ID and a version.
      assert.equal(dword(0x100), 0x1400_0000);
      assert.equal(dword(0x140), 0x1801_0003, 'a hidden one in the middle is skipped');
      assert.equal(dword(0x180), 0x0001_0018);
    });

    it('resets the device by the bits of PCI Express and Advanced Features, which read as 0', () => {
      config.write(0x80 + 9, 0x80);
      assert.deepEqual([config.resetCount, word(0x80 + 8) & 0x8000], [1, 0]);
      config.write(0x60 + 4, 1);
      assert.deepEqual([config.resetCount, config.read(0x64, 1)[0]], [2, 0]);
      assert.deepEqual([config.bytes[0x89], config.bytes[0x64]], [0, 0], 'the device gets neither bit');
      // Without the capability to reset by them.
      config.bytes[0x87] = 0;
      config.bytes[0x63] = 0;
      config.write(0x80 + 9, 0x80);
      config.write(0x60 + 4, 1);
      assert.equal(config.resetCount, 2);
    });

    it('changes the power state, and keeps its events from the user', () => {
      assert.equal(word(0x52) & 0xf800, 0, 'support');
      config.write(0x54, 3, 0x81);
      assert.equal(word(0x54), 3);
      assert.equal(config.bytes[0x54], 3, 'the device sleeps');
      assert.equal(config.bytes[0x55], 0x80, 'the events stay as they are');
      config.write(0x54, 0);
      assert.equal(config.bytes[0x54], 0);
    });

    it('writes to the device what no capability has, and a vendor’s capability whole', () => {
      for (const at of [0xf0, 0x75, 0x500]) {
        config.write(at, 0xa5);
        assert.equal(config.bytes[at], 0xa5, `0x${at.toString(16)}`);
        assert.equal(config.read(at, 1)[0], 0xa5);
      }
      config.write(0x184, 0xff, 0xff);
      assert.deepEqual([...config.bytes.subarray(0x184, 0x186)], [0, 0], 'latencies are read alone');
    });

    it('lets a write fail whose bytes are not all inside', () => {
      assert.throws(() => config.read(4094, 4), /read -14/);
      assert.throws(() => config.write(4095, 0, 0), /wrote -14/);
    });
  });
});

/** A config space with a capability of each kind that QEMU's devices lack. */
function madeUp(): Uint8Array {
  const bytes = new Uint8Array(4096);
  const put = (at: number, ...values: number[]): void => bytes.set(values, at);
  put(0, 0x34, 0x12, 0x78, 0x56);
  put(pci.PCI_STATUS, pci.PCI_STATUS_CAP_LIST);
  put(pci.PCI_CAPABILITY_LIST, 0x40);
  put(0x40, 0x04, 0x50); // slot identification, which is hidden
  put(0x50, pci.PCI_CAP_ID_PM, 0x60, 0x03, 0xc8, 0x00, 0x80);
  put(0x60, 0x13, 0x70, 6, 3); // Advanced Features, with a reset
  put(0x70, pci.PCI_CAP_ID_VNDR, 0x80, 8);
  put(0x80, pci.PCI_CAP_ID_EXP, 0, 2, 0, 0, 0, 0, 0x10);
  put(0x100, 0x1d, 0, 1, 0x14); // containment of downstream ports, which is hidden
  put(0x140, 0x03, 0, 1, 0x16, 1, 2, 3, 4); // the serial number
  put(0x160, 0x1b, 0, 1, 0x18); // process address spaces, which are hidden
  put(0x180, 0x18, 0, 1, 0); // latencies
  return bytes;
}

/** Whether no device lets a user change a byte: IDs, classes, links, the flags of MSI-X. */
function isFixed(config: Uint8Array, at: number): boolean {
  if (at < 4 || (at >= pci.PCI_CLASS_REVISION && at < pci.PCI_CACHE_LINE_SIZE)) return true;
  for (const { id, offset } of walkCapabilities(config)) {
    const length = id === pci.PCI_CAP_ID_MSIX ? 12 : 2;
    if (at >= offset && at < offset + length) return true;
  }
  return walkExtendedCapabilities(config).some(({ offset }) => at >= offset && at < offset + EXTENDED_HEADER);
}
