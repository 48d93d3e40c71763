import { InvalidArgumentError } from 'commander';

import { IRQ_NAMES } from '../irq/names.js';
import type { Width } from '../region/access-checks.js';

/** The names of the regions of a vfio-pci device, in the order of their indexes. */
const REGION_NAMES = ['bar0', 'bar1', 'bar2', 'bar3', 'bar4', 'bar5', 'rom', 'config', 'vga'] as const;

/** The kernel takes an index of 32 bits. */
const LAST_INDEX = 0xffffffff;

/** Returns the name of a region, or its index if it has no name. */
export function formatRegion(regionIndex: number): string {
  return REGION_NAMES[regionIndex] ?? String(regionIndex);
}

/** Returns the name of an interrupt, or its index if it has no name. */
export function formatIrq(irqIndex: number): string {
  return IRQ_NAMES[irqIndex] ?? String(irqIndex);
}

/** Parses a REGION argument: a name or an index. @throws InvalidArgumentError, which commander prints */
export function parseRegion(text: string): number {
  const index = REGION_NAMES.findIndex((name) => name === text.toLowerCase());
  if (index >= 0) return index;
  if (/^\d+$/.test(text) && Number(text) <= LAST_INDEX) return Number(text);
  throw new InvalidArgumentError(`It must be one of ${REGION_NAMES.join(', ')}, or an index from 0 to ${LAST_INDEX}.`);
}

/** Parses an OFFSET argument: bytes, in decimal or in hexadecimal with 0x. */
export function parseBytes(text: string): number {
  const value = parseBigint(text);
  if (value === undefined || value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new InvalidArgumentError('It must be a number of bytes, in decimal or in hexadecimal with 0x.');
  }
  return Number(value);
}

/** Parses `--length`: as `parseBytes`, at least 1. */
export function parseLength(text: string): number {
  const length = parseBytes(text);
  if (length === 0) throw new InvalidArgumentError('It must be at least 1.');
  return length;
}

/** Parses a VALUE argument. `writeRegister` checks that it fits the width. */
export function parseValue(text: string): bigint {
  const value = parseBigint(text);
  if (value === undefined) throw new InvalidArgumentError('It must be a number, in decimal or in hexadecimal with 0x.');
  return value;
}

/** Parses `--width`. */
export function parseWidth(text: string): Width {
  const width = Number(text);
  if (width === 1 || width === 2 || width === 4 || width === 8) return width;
  throw new InvalidArgumentError('It must be 1, 2, 4 or 8.');
}

/** Parses a positive count, such as `--workers`. */
export function parseCount(text: string): number {
  const count = Number(text);
  if (Number.isSafeInteger(count) && count > 0) return count;
  throw new InvalidArgumentError('It must be an integer of at least 1.');
}

/** Parses the seed of random numbers: 32 bits. */
export function parseSeed(text: string): number {
  if (/^\d+$/.test(text) && Number(text) <= 0xffff_ffff) return Number(text);
  throw new InvalidArgumentError('It must be an integer from 0 to 4294967295.');
}

/** Parses a time in seconds: more than 0, at most one day. */
export function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (seconds > 0 && seconds <= 86_400) return seconds;
  throw new InvalidArgumentError('It must be a number of seconds, more than 0 and at most 86400.');
}

/** Formats a number as 0x and at least `digits` hexadecimal digits. */
export function formatHex(value: number | bigint, digits = 1): string {
  return `0x${value.toString(16).padStart(digits, '0')}`;
}

/** Parses a number; undefined for other text. `BigInt` throws a SyntaxError for it, and takes the empty string for 0. */
function parseBigint(text: string): bigint | undefined {
  return /^(0x[0-9a-f]+|-?\d+)$/i.test(text) ? BigInt(text) : undefined;
}
