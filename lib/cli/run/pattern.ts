import { scramble } from './pump.js';
import type { Tally } from './report.js';

/** Fills bytes with a pattern that differs from round to round, so that bytes of an earlier round count as wrong. */
export function fillPattern(bytes: Uint8Array, round: number): void {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);
  for (let i = 0; i < words.length; i++) words[i] = scramble(round * words.length + i);
}

/** Compares every byte. @returns the number of wrong or missing bytes */
export function wrongBytes(expected: Uint8Array, actual: Uint8Array): number {
  let wrong = Math.abs(expected.length - actual.length);
  for (let i = 0; i < Math.min(expected.length, actual.length); i++) wrong += expected[i] === actual[i] ? 0 : 1;
  return wrong;
}

/** Compares bytes that a device wrote by DMA, and counts the wrong ones as errors. */
export function verifyDma(tally: Tally, expected: Uint8Array, actual: Uint8Array): void {
  const wrong = wrongBytes(expected, actual);
  tally.errors += wrong;
  tally.dmaVerified = tally.dmaVerified !== false && wrong === 0;
}
