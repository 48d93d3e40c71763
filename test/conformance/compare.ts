import { isDeepStrictEqual } from 'node:util';

import { acceptedDifferences } from './accepted-differences.js';
import { Executor } from './executor.js';
import type { Difference } from './difference.js';
import type { Call } from './program.js';
import type { Outcome } from './program-run.js';
import type { World } from './world.js';

/** The first call after which the sides differ, and the state of each. */
export interface Divergence extends Difference {
  readonly call: Call;
  readonly what: 'answer' | 'memory' | 'interrupts';
}

/** The result of a comparison. */
export interface Comparison {
  /** The answers of the real kernel, each as the name of the call and `ok` or the errno. Skipped calls have none. */
  readonly answers: readonly string[];
  readonly divergence?: Divergence;
  /** The names of the accepted differences that occurred. */
  readonly accepted: readonly string[];
}

/**
 * Runs a program on both sides, call by call, and stops at the first difference that is not accepted.
 * An accepted difference ends the program, too, if it leaves the sides in different states.
 */
export async function compare(program: readonly Call[], real: World, software: World): Promise<Comparison> {
  const sides = [new Executor(real), new Executor(software)] as const;
  const accepted: string[] = [];
  const reached: string[] = [];
  try {
    for (const [index, call] of program.entries()) {
      // In parallel: the sides share nothing, and the guest has two CPUs.
      const answers = await Promise.all([
        answered(sides[0].execute(call), 'the real kernel', program, index),
        answered(sides[1].execute(call), 'the software core', program, index),
      ]);
      if (!('skipped' in answers[0])) reached.push(`${call.call} ${'errno' in answers[0] ? answers[0].errno : 'ok'}`);
      const difference = differenceOf(sides, answers);
      if (difference === undefined) continue;
      const match = acceptedDifferences.find((candidate) =>
        candidate.applies(call, difference.real, difference.software),
      );
      if (match === undefined) return { answers: reached, accepted, divergence: { index, call, ...difference } };
      accepted.push(match.name);
      if (match.endsProgram) break;
    }
    return { answers: reached, accepted };
  } finally {
    const last = program.length - 1;
    await Promise.all([
      answered(sides[0].finish(), 'the real kernel, closing all,', program, last),
      answered(sides[1].finish(), 'the software core, closing all,', program, last),
    ]);
  }
}

/** No call takes this long. A side that does not answer fails with its program in the message. */
const ANSWER_MS = 60_000;

async function answered<T>(answer: Promise<T>, side: string, program: readonly Call[], index: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const never = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const calls = JSON.stringify(program.slice(0, index + 1));
      reject(new Error(`${side} did not answer the last call of ${calls} within ${ANSWER_MS} ms`));
    }, ANSWER_MS);
  });
  try {
    return await Promise.race([answer, never]);
  } finally {
    clearTimeout(timer);
  }
}

function differenceOf(
  sides: readonly [Executor, Executor],
  answers: readonly [Outcome, Outcome],
): Omit<Divergence, 'index' | 'call'> | undefined {
  if (!isDeepStrictEqual(answers[0], answers[1])) return { what: 'answer', real: answers[0], software: answers[1] };
  const interrupts = [sides[0].takeInterrupts(), sides[1].takeInterrupts()];
  if (interrupts[0] !== interrupts[1]) return { what: 'interrupts', real: interrupts[0], software: interrupts[1] };
  const memory = [Buffer.from(sides[0].memory), Buffer.from(sides[1].memory)] as const;
  if (!memory[0].equals(memory[1])) return { what: 'memory', ...firstBytes(memory[0], memory[1]) };
  return undefined;
}

function firstBytes(real: Buffer, software: Buffer): { real: string; software: string } {
  const offset = real.findIndex((byte, index) => byte !== software[index]);
  const show = (bytes: Buffer) => `0x${offset.toString(16)}: ${bytes.subarray(offset, offset + 16).toString('hex')}`;
  return { real: show(real), software: show(software) };
}
