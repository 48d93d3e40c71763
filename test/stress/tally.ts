import { FAULT_KINDS, type FaultKind } from '../../lib/faults/fault.js';

/** The counts of a run. */
export interface Tally {
  /** Operations that were answered: accesses, programs, transfers, interrupts. */
  operations: number;
  attaches: number;
  /** Attaches that an injected fault made fail. */
  failedAttaches: number;
  dmaBytes: number;
  interrupts: number;
  /** The injected faults of each kind. */
  readonly faults: Record<FaultKind, number>;
  workersKilled: number;
  modelsKilled: number;
  /** Operations that were never answered or not carried out though they succeeded; interrupts and bytes that never arrived. */
  lost: number;
  /** Operations that were carried out twice, and interrupts that arrived twice, without a fault that explains it. */
  duplicated: number;
  /** File descriptors, mappings, threads and pinned KiB that were left after everything was closed. */
  leaked: number;
  /** What was wrong. */
  readonly violations: string[];
}

/** Creates a tally of zeros. */
export function newTally(): Tally {
  return {
    operations: 0,
    attaches: 0,
    failedAttaches: 0,
    dmaBytes: 0,
    interrupts: 0,
    faults: Object.fromEntries(FAULT_KINDS.map((kind) => [kind, 0])) as Record<FaultKind, number>,
    workersKilled: 0,
    modelsKilled: 0,
    lost: 0,
    duplicated: 0,
    leaked: 0,
    violations: [],
  };
}

/** Notes operations that were lost. */
export function noteLost(tally: Tally, count: number, what: string): void {
  if (count <= 0) return;
  tally.lost += count;
  tally.violations.push(`lost ${count}: ${what}`);
}

/** Notes operations that were carried out twice. */
export function noteDuplicated(tally: Tally, count: number, what: string): void {
  if (count <= 0) return;
  tally.duplicated += count;
  tally.violations.push(`duplicated ${count}: ${what}`);
}
