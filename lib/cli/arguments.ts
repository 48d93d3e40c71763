import { InvalidArgumentError } from 'commander';

import { VFIO_PCI_BAR5_REGION_INDEX } from '../uapi/vfio.js';

/** The regions of a vfio-pci device in the order of their indexes. */
const REGION_NAMES = ['bar0', 'bar1', 'bar2', 'bar3', 'bar4', 'bar5', 'rom', 'config', 'vga'] as const;
/** The interrupts of a vfio-pci device in the order of their indexes. */
const IRQ_NAMES = ['intx', 'msi', 'msix', 'err', 'req'] as const;

/** An access width in bytes. */
export type Width = 1 | 2 | 4 | 8;

/** Gives the name of a region, or its index where it has none. */
export function regionName(regionIndex: number): string {
  return REGION_NAMES[regionIndex] ?? String(regionIndex);
}

/** Gives the name of an interrupt index. */
export function irqName(irqIndex: number): string {
  return IRQ_NAMES[irqIndex] ?? String(irqIndex);
}

/** Tells whether a region is a BAR. */
export function isBar(regionIndex: number): boolean {
  return regionIndex <= VFIO_PCI_BAR5_REGION_INDEX;
}

/** Reads a REGION argument: a name or an index. */
export function parseRegion(text: string): number {
  const index = REGION_NAMES.findIndex((name) => name === text.toLowerCase());
  if (index >= 0) return index;
  if (/^\d+$/.test(text)) return Number(text);
  throw new InvalidArgumentError(`A region is one of ${REGION_NAMES.join(', ')}, or an index.`);
}

/** Reads an OFFSET or LENGTH argument: bytes, decimal or 0x. */
export function parseBytes(text: string): number {
  const value = toBigint(text);
  if (value === undefined || value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new InvalidArgumentError('It is a count of bytes, decimal or 0x and hexadecimal.');
  }
  return Number(value);
}

/** Reads a VALUE argument; whether it fits the width is known later. */
export function parseValue(text: string): bigint {
  const value = toBigint(text);
  if (value === undefined) throw new InvalidArgumentError('It is a number, decimal or 0x and hexadecimal.');
  return value;
}

/** Reads `--width`. */
export function parseWidth(text: string): Width {
  const width = Number(text);
  if (width === 1 || width === 2 || width === 4 || width === 8) return width;
  throw new InvalidArgumentError('A width is 1, 2, 4 or 8 bytes.');
}

/** Reads a positive count, `--workers` say. */
export function parseCount(text: string): number {
  const count = Number(text);
  if (Number.isSafeInteger(count) && count > 0) return count;
  throw new InvalidArgumentError('It is a whole number above 0.');
}

/** Reads `--seconds`: above 0, at most a day. */
export function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (seconds > 0 && seconds <= 86_400) return seconds;
  throw new InvalidArgumentError('It is a number of seconds above 0 and at most 86400.');
}

/** Writes a number as 0x and at least `digits` hexadecimal digits. */
export function hex(value: number | bigint, digits = 1): string {
  return `0x${value.toString(16).padStart(digits, '0')}`;
}

/** BigInt() throws a SyntaxError on what is not a number, and takes the empty string for 0. */
function toBigint(text: string): bigint | undefined {
  return /^(0x[0-9a-f]+|-?\d+)$/i.test(text) ? BigInt(text) : undefined;
}
