import { isDeepStrictEqual } from 'node:util';

import { type Decision, decisions } from './decisions.js';
import { Executor, type Outcome } from './executor.js';
import type { Call } from './program.js';
import type { World } from './world.js';

/** Where two sides part: the call, and what each answered. */
export interface Divergence {
  readonly index: number;
  readonly call: Call;
  readonly what: 'answer' | 'memory' | 'interrupts';
  readonly real: unknown;
  readonly software: unknown;
}

/** Counts of a comparison. */
export interface Comparison {
  readonly calls: number;
  readonly divergence?: Divergence;
  /** The decided differences that showed, by name. */
  readonly decided: readonly string[];
}

/**
 * Runs a program on both sides at once, call by call, and stops at the first difference that is not decided.
 * A decided one ends the program too where it leaves the two sides in different states.
 */
export async function compare(program: readonly Call[], real: World, software: World): Promise<Comparison> {
  const sides = [new Executor(real), new Executor(software)] as const;
  const decided: string[] = [];
  let calls = 0;
  try {
    for (const [index, call] of program.entries()) {
      // At once: the sides share nothing, and the guest has two CPUs.
      const answers = await Promise.all([
        answered(sides[0].execute(call), 'the real kernel', program, index),
        answered(sides[1].execute(call), 'the software core', program, index),
      ]);
      if (!isSkipped(answers[0])) calls++;
      const difference = differenceOf(sides, answers);
      if (difference === undefined) continue;
      const decision = decisions.find((candidate) => candidate.applies(call, difference.real, difference.software));
      if (decision === undefined) return { calls, decided, divergence: { index, call, ...difference } };
      decided.push(decision.name);
      if (decision.endsProgram) break;
    }
    return { calls, decided };
  } finally {
    const last = program.length - 1;
    await Promise.all([
      answered(sides[0].finish(), 'the real kernel, closing all,', program, last),
      answered(sides[1].finish(), 'the software core, closing all,', program, last),
    ]);
  }
}

/** No call of either side takes this long: a side that does not answer is a finding, told with its program. */
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

type Difference = Pick<Divergence, 'what' | 'real' | 'software'>;

function differenceOf(
  sides: readonly [Executor, Executor],
  answers: readonly [Outcome, Outcome],
): Difference | undefined {
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

function isSkipped(outcome: Outcome): boolean {
  return 'skipped' in outcome;
}

export type { Decision };
