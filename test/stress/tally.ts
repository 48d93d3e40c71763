/** The counts of a run. */
export interface Tally {
  operations: number;
  attaches: number;
  dmaBytes: number;
  interrupts: number;
  workersKilled: number;
  /** Operations that a killed worker had begun: they fail with ERR_WORKER_DIED and are not repeated. */
  errorsExpected: number;
  /** Descriptions of wrong results. */
  readonly violations: string[];
}

/** Creates a tally of zeros. */
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
