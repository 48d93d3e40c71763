import type { Width } from '../region/access-checks.js';

/** Bytes of a line. */
const LINE = 16;

/**
 * Formats bytes as lines of an offset, values and characters. The values are little endian, so that a 32-bit dump shows the
 * values of the registers.
 * @param offset of the first byte, a multiple of the width
 * @param width of a value
 */
export function hexdump(bytes: Uint8Array, offset: number, width: Width): string[] {
  const lines: string[] = [];
  // Lines start at multiples of 16, so that a register is in the same column of every dump.
  for (let start = offset - (offset % LINE); start < offset + bytes.length; start += LINE) {
    lines.push(
      `${start.toString(16).padStart(8, '0')}  ${values(bytes, offset, start, width)}  |${characters(bytes, offset, start)}|`,
    );
  }
  return lines;
}

function values(bytes: Uint8Array, offset: number, start: number, width: Width): string {
  const columns: string[] = [];
  for (let at = start; at < start + LINE; at += width) {
    const inside = at >= offset && at + width <= offset + bytes.length;
    columns.push(inside ? littleEndian(bytes, at - offset, width) : ' '.repeat(2 * width));
  }
  return columns.join(' ');
}

function littleEndian(bytes: Uint8Array, at: number, width: Width): string {
  return Buffer.from(bytes.subarray(at, at + width))
    .reverse()
    .toString('hex');
}

function characters(bytes: Uint8Array, offset: number, start: number): string {
  let line = '';
  for (let at = Math.max(start, offset); at < Math.min(start + LINE, offset + bytes.length); at++) {
    const byte = bytes[at - offset] ?? 0;
    line += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.';
  }
  return line.padStart(line.length + Math.max(0, offset - start));
}
