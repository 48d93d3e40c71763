import type { Call } from './program.js';

/** A difference between the two sides that stays, with its reason. The README's limits list the same ones. */
export interface Decision {
  readonly name: string;
  readonly reason: string;
  /** Whether the sides' states differ from here on, so that the rest of the program says nothing. */
  readonly endsProgram: boolean;
  applies(call: Call, real: unknown, software: unknown): boolean;
}

export const decisions: readonly Decision[] = [];
