/** What a run counts. */
export interface Tally {
  operations: number;
  attaches: number;
  dmaBytes: number;
  interrupts: number;
  workersKilled: number;
  /** Operations that a killed worker had begun: told, and not made again. */
  errorsExpected: number;
  /** What must not have happened. */
  readonly violations: string[];
}

export function newTally(): Tally {
  return {
    operations: 0,
    attaches: 0,
    dmaBytes: 0,
    interrupts: 0,
    workersKilled: 0,
    errorsExpected: 0,
    violations: [],
  };
}
