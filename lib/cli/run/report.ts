import { print, printJson, printTable } from '../output.js';
import type { LoopDelay } from './event-loop.js';

/** The kinds of work of a run. */
const WORK = ['mapped accesses', 'trapped accesses', 'DMA', 'interrupts'] as const;
type Work = (typeof WORK)[number];

/** The counts of a run. */
export interface Tally {
  mapped: number;
  trapped: number;
  dmaBytes: number;
  interruptsRaised: number;
  interruptsReceived: number;
  /** The kinds of work that the devices offer. */
  readonly offered: Set<Work>;
  /** Wrong values and failed operations. */
  errors: number;
  /** Whether every byte that DMA moved was right; undefined if DMA moved none. */
  dmaVerified: boolean | undefined;
}

/** Creates a tally of zeros. */
export function emptyTally(): Tally {
  return {
    mapped: 0,
    trapped: 0,
    dmaBytes: 0,
    interruptsRaised: 0,
    interruptsReceived: 0,
    offered: new Set(),
    errors: 0,
    dmaVerified: undefined,
  };
}

/** The result of a run, as `--json` prints it. */
export interface RunReport {
  /** The names of the devices, joined by commas. */
  readonly device: string;
  readonly backend: string;
  readonly workers: number;
  readonly mapped: Rate;
  readonly trapped: Rate;
  readonly dma: { readonly bytes: number; readonly perSecond: number; readonly verified: boolean | null };
  readonly interrupts: { readonly raised: number; readonly received: number };
  readonly eventLoop: LoopDelay & { readonly unit: 'ms'; readonly idle: LoopDelay };
  readonly errors: number;
  /** The kinds of work that the devices offer, and that were not done. */
  readonly undone: readonly Work[];
  /** The kinds of work that no device of the run offers. */
  readonly notOffered: readonly Work[];
  /** Whether work of each kind was done, and all of it was right. */
  readonly verified: boolean;
  /** How many faults of each kind were injected; absent without `--faults`. */
  readonly faults?: Readonly<Record<string, number>>;
}

/** A count, and its rate. */
interface Rate {
  readonly operations: number;
  readonly perSecond: number;
}

/** The facts of a run besides its tally. */
export interface RunFacts {
  readonly device: string;
  readonly backend: string;
  readonly workers: number;
  readonly seconds: number;
  readonly idle: LoopDelay;
  readonly busy: LoopDelay;
}

/** Makes the report of a run. */
export function makeReport(tally: Tally, facts: RunFacts): RunReport {
  const perSecond = (count: number): number => Math.round(count / facts.seconds);
  const missing = WORK.filter((work) => countOf(tally, work) === 0);
  const results = {
    dma: { bytes: tally.dmaBytes, perSecond: perSecond(tally.dmaBytes), verified: tally.dmaVerified ?? null },
    interrupts: { raised: tally.interruptsRaised, received: tally.interruptsReceived },
    errors: tally.errors,
  };
  return {
    device: facts.device,
    backend: facts.backend,
    workers: facts.workers,
    mapped: { operations: tally.mapped, perSecond: perSecond(tally.mapped) },
    trapped: { operations: tally.trapped, perSecond: perSecond(tally.trapped) },
    ...results,
    eventLoop: { ...facts.busy, unit: 'ms', idle: facts.idle },
    undone: missing.filter((work) => tally.offered.has(work)),
    notOffered: missing.filter((work) => !tally.offered.has(work)),
    verified: missing.length === 0 && isRight(results),
  };
}

function countOf(tally: Tally, work: Work): number {
  const { mapped, trapped, dmaBytes, interruptsReceived } = tally;
  return { 'mapped accesses': mapped, 'trapped accesses': trapped, DMA: dmaBytes, interrupts: interruptsReceived }[
    work
  ];
}

/** Tells whether everything that the run did was right. */
function isRight({ dma, interrupts, errors }: Pick<RunReport, 'dma' | 'interrupts' | 'errors'>): boolean {
  return errors === 0 && dma.verified !== false && interrupts.raised === interrupts.received;
}

/** What a report says: all that the devices offer was done and right; something was wrong; something was not done. */
export type Verdict = 'verified' | 'wrong' | 'undone';

/** Returns the verdict. Work that no device of the run offers need not be done, but some work must be. */
export function verdictOf(report: RunReport): Verdict {
  if (!isRight(report)) return 'wrong';
  return report.undone.length > 0 || report.notOffered.length === WORK.length ? 'undone' : 'verified';
}

/** Tells the verdict in words. */
function verdictText(report: RunReport): string {
  const errors = `${report.errors} error(s)`;
  const verdict = verdictOf(report);
  if (verdict === 'wrong') return `NOT verified, ${errors}`;
  if (verdict === 'undone')
    return `NOT verified: no ${[...report.undone, ...report.notOffered].join(', no ')}; ${errors}`;
  if (report.verified) return `all verified, ${errors}`;
  return `verified, ${errors}; these devices offer no ${report.notOffered.join(' and no ')}`;
}

/** Prints a report, as tables or as one line of JSON. */
export function printReport(report: RunReport, json: boolean): void {
  if (json) {
    printJson(report);
    return;
  }
  print(`${report.device} by the ${report.backend} backend, ${report.workers} worker(s)\n`);
  printTable(['', 'count', 'a second'], reportRows(report));
  print('');
  printTable(['event loop delay, ms', 'p50', 'p99', 'max'], loopRows(report));
  print(`\n${verdictText(report)}`);
}

function reportRows({ mapped, trapped, dma, interrupts }: RunReport): (string | number)[][] {
  return [
    ['mapped accesses', grouped(mapped.operations), grouped(mapped.perSecond)],
    ['trapped accesses', grouped(trapped.operations), grouped(trapped.perSecond)],
    ['DMA bytes', grouped(dma.bytes), grouped(dma.perSecond)],
    ['interrupts raised', grouped(interrupts.raised), ''],
    ['interrupts received', grouped(interrupts.received), ''],
  ];
}

function loopRows({ eventLoop }: RunReport): (string | number)[][] {
  const row = (name: string, { p50, p99, max }: LoopDelay): (string | number)[] => [name, p50, p99, max];
  return [row('idle', eventLoop.idle), row('workers saturated', eventLoop)];
}

/** Formats 1234567 as 1,234,567. */
function grouped(count: number): string {
  return count.toLocaleString('en-US');
}
