import type { Difference } from '../difference.js';
import { Knowledge } from './knowledge.js';
import type { DmaCall } from './program.js';
import type { DmaOutcome, DmaSide } from './side.js';

/** The same edu on both kernels. */
export interface DmaSides {
  readonly real: DmaSide;
  readonly software: DmaSide;
}

/** The result of a comparison. */
export interface DmaComparison {
  readonly calls: number;
  readonly transfers: number;
  /** Transfers that changed memory. */
  readonly moved: number;
  readonly bitmaps: number;
  /** Transfers that were not made, because they read a mapping for writing only. */
  readonly leftOut: number;
  readonly divergence?: Difference;
}

/** Runs a program on both sides, call by call, and compares answers, dirty pages and, after each call, memory. */
export async function compareDma(program: readonly DmaCall[], sides: DmaSides): Promise<DmaComparison> {
  const { real, software } = sides;
  const knowledge = new Knowledge();
  const counts = { calls: 0, transfers: 0, moved: 0, bitmaps: 0, leftOut: 0 };
  await Promise.all([real.begin(), software.begin()]);
  for (const [index, call] of program.entries()) {
    if (call.call === 'transfer' && knowledge.readsWriteOnly(call)) {
      counts.leftOut++;
      continue;
    }
    const before = real.memory.slice();
    // In parallel: the sides share nothing, and the guest has two CPUs.
    const answers = await Promise.all([real.execute(call), software.execute(call)]);
    counts.calls++;
    const [{ answer, bitmap }] = answers;
    if (call.call === 'transfer') {
      counts.transfers++;
      if (!same(before, real.memory)) counts.moved++;
      knowledge.learnWritten(call, before, real.memory);
    }
    if (bitmap !== undefined) counts.bitmaps++;
    const difference =
      answerDifference(answers) ?? dirtyDifference(call, knowledge, answers) ?? memoryDifference(sides);
    if (difference !== undefined) return { ...counts, divergence: { index, ...difference } };
    knowledge.learn(call, { answer });
  }
  return counts;
}

type Part = Omit<Difference, 'index'>;

function answerDifference([real, software]: readonly [DmaOutcome, DmaOutcome]): Part | undefined {
  const equal = real.answer === software.answer && real.bitmap?.length === software.bitmap?.length;
  return equal ? undefined : { what: 'answer', real, software };
}

/**
 * type1 reports every pinned page as dirty, the software core only written pages. The software core must not report a
 * page that type1 does not report, and must report every page whose bytes have changed.
 */
function dirtyDifference(
  call: DmaCall,
  knowledge: Knowledge,
  [{ bitmap: real }, { bitmap: software }]: readonly [DmaOutcome, DmaOutcome],
): Part | undefined {
  if (real === undefined || software === undefined) return undefined;
  if (call.call !== 'unmap' && call.call !== 'readDirty') return undefined;
  const written = knowledge.writtenIn(call);
  const missing = written.filter((page) => !isSet(software, page) || !isSet(real, page));
  const beyond = software.some((byte, index) => (byte & ~(real[index] ?? 0)) !== 0);
  if (missing.length === 0 && !beyond) return undefined;
  const show = (bits: Uint8Array) => `${Buffer.from(bits).toString('hex')}, written ${written.join()}`;
  return { what: 'dirty pages', real: show(real), software: show(software) };
}

function memoryDifference({ real, software }: DmaSides): Part | undefined {
  if (same(real.memory, software.memory)) return undefined;
  const offset = real.memory.findIndex((byte, index) => byte !== software.memory[index]);
  const show = (bytes: Uint8Array) =>
    `0x${offset.toString(16)}: ${Buffer.from(bytes.slice(offset, offset + 16)).toString('hex')}`;
  return { what: 'memory', real: show(real.memory), software: show(software.memory) };
}

function isSet(bits: Uint8Array, index: number): boolean {
  return (((bits[index >> 3] ?? 0) >> (index & 7)) & 1) === 1;
}

function same(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}
