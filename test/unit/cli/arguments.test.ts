import assert from 'node:assert/strict';

import {
  formatHex,
  parseBytes,
  parseCount,
  parseRegion,
  parseSeconds,
  parseValue,
  parseWidth,
  formatRegion,
} from '../../../lib/cli/arguments.js';
import { hexdump } from '../../../lib/cli/hexdump.js';

const refused = { code: 'commander.invalidArgument' };

describe('command: arguments', () => {
  it('accepts a region by name in either case, and by index', () => {
    assert.deepEqual(['bar0', 'BAR5', 'rom', 'config', 'vga', '9'].map(parseRegion), [0, 5, 6, 7, 8, 9]);
    assert.equal(parseRegion('4294967295'), 0xffffffff);
    for (const text of ['bar6', '', '-1', '0x1', 'bar', '4294967296', '99999999999999999999'])
      assert.throws(() => parseRegion(text), refused);
    assert.deepEqual([formatRegion(7), formatRegion(12)], ['config', '12']);
  });

  it('accepts offsets and values in decimal and hexadecimal, and nothing else', () => {
    assert.deepEqual(['0', '16', '0x10', '0XfF'].map(parseBytes), [0, 16, 16, 255]);
    for (const text of ['', '1.5', '-1', '0x', '1e3', '0x20000000000000', '1k']) {
      assert.throws(() => parseBytes(text), refused, text);
    }
    assert.equal(parseValue('0xffffffffffffffff'), 0xffffffffffffffffn);
    assert.throws(() => parseValue('ten'), refused);
  });

  it('accepts widths, counts and seconds in their ranges', () => {
    assert.deepEqual(['1', '2', '4', '8'].map(parseWidth), [1, 2, 4, 8]);
    for (const text of ['3', '16', '']) assert.throws(() => parseWidth(text), refused);
    for (const text of ['0', '-1', '1.5', 'x']) assert.throws(() => parseCount(text), refused);
    for (const text of ['0', '-1', '86401', 'x', 'Infinity']) assert.throws(() => parseSeconds(text), refused);
    assert.deepEqual([parseCount('4'), parseSeconds('0.5')], [4, 0.5]);
  });

  it('formats numbers in hexadecimal', () => {
    assert.deepEqual(
      [formatHex(10), formatHex(10, 4), formatHex(0xffffffffffffffffn)],
      ['0xa', '0x000a', '0xffffffffffffffff'],
    );
  });
});

describe('command: hexdump', () => {
  const bytes = Uint8Array.from({ length: 24 }, (_, index) => 0x40 + index);

  it('shows little-endian values of the width, and the characters', () => {
    assert.deepEqual(hexdump(bytes, 0x20, 4), [
      '00000020  43424140 47464544 4b4a4948 4f4e4d4c  |@ABCDEFGHIJKLMNO|',
      `00000030  53525150 57565554${' '.repeat(18)}  |PQRSTUVW|`,
    ]);
    assert.equal(hexdump(bytes, 0, 8)[0], '00000000  4746454443424140 4f4e4d4c4b4a4948  |@ABCDEFGHIJKLMNO|');
    assert.equal(hexdump(bytes, 0, 1)[0]?.slice(0, 20), '00000000  40 41 42 4');
  });

  it('keeps a register in its column when the dump starts inside a line', () => {
    assert.deepEqual(hexdump(bytes.subarray(0, 6), 0x0c, 2), [
      `00000000  ${' '.repeat(30)}4140 4342  |${' '.repeat(12)}@ABC|`,
      `00000010  4544${' '.repeat(35)}  |DE|`,
    ]);
  });

  it('shows a dot for a byte that is not a printable character', () => {
    assert.equal(hexdump(Uint8Array.of(0, 0x1f, 0x7f, 0xff), 0, 4)[0]?.slice(-6), '|....|');
  });
});
