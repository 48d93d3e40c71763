import { print, printJson, printTable } from '../output.js';
import type { LoopDelay } from './event-loop.js';

/** The counts of a run. */
export interface Tally {
  mapped: number;
  trapped: number;
  dmaBytes: number;
  interruptsRaised: number;
  interruptsReceived: number;
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
  return {
    device: facts.device,
    backend: facts.backend,
    workers: facts.workers,
    mapped: { operations: tally.mapped, perSecond: perSecond(tally.mapped) },
    trapped: { operations: tally.trapped, perSecond: perSecond(tally.trapped) },
    dma: { bytes: tally.dmaBytes, perSecond: perSecond(tally.dmaBytes), verified: tally.dmaVerified ?? null },
    interrupts: { raised: tally.interruptsRaised, received: tally.interruptsReceived },
    eventLoop: { ...facts.busy, unit: 'ms', idle: facts.idle },
    errors: tally.errors,
  };
}

/** Tells whether everything that the run did was right. */
export function isVerified(report: RunReport): boolean {
  const { dma, interrupts, errors } = report;
  return errors === 0 && dma.verified !== false && interrupts.raised === interrupts.received;
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
  print(`\n${isVerified(report) ? 'all verified' : 'NOT verified'}, ${report.errors} error(s)`);
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
