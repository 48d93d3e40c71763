import type { ErrnoName } from '../uapi/errno.js';
import type { Fault, FaultKind, FaultRates, FaultSite, InjectedFault } from './fault.js';
import { isFaultableCall, KERNEL_CALLS } from './kernel-calls.js';
import { RandomStreams } from './random-streams.js';

/** A plan's settings, checked, with the defaults filled in. Structured clone copies them to the plan's thread. */
export interface FaultSettings {
  readonly seed: number;
  readonly rates: FaultRates;
  readonly faults: readonly Fault[];
}

/** A call, a transfer or an interrupt that a fault can be injected into. */
export interface Opportunity {
  readonly call: FaultSite;
  readonly device?: string | undefined;
  readonly irqIndex?: number;
  readonly vector?: number;
  /** Whether random faults are left out. */
  readonly explicitOnly?: boolean;
}

/** What a fault does to a call. */
type FaultEffect = Pick<InjectedFault, 'errno' | 'delayMs'>;

/** Range of a random delay, milliseconds. */
const RANDOM_DELAY_MS = [1, 50] as const;
const DEFAULT_DELAY_MS = 20;

/** Chooses the faults of one thread's opportunities. Its answers depend on the settings and the opportunities alone. */
export class FaultChooser {
  readonly #rates: FaultRates;
  readonly #streams: RandomStreams;
  readonly #explicit: readonly { readonly fault: Fault; seen: number }[];
  /** How many opportunities there were, by call and device. */
  readonly #counts = new Map<string, number>();

  constructor({ seed, rates, faults }: FaultSettings) {
    this.#rates = rates;
    this.#streams = new RandomStreams(seed);
    this.#explicit = faults.filter(({ entries }) => entries === undefined).map((fault) => ({ fault, seen: 0 }));
  }

  /**
   * Counts an opportunity and chooses its fault.
   * @param kinds that it can have; if several hit, the first one is chosen
   */
  choose(kinds: readonly FaultKind[], opportunity: Opportunity): InjectedFault | undefined {
    const number = this.count(opportunity) + 1;
    this.#counts.set(nameOf(opportunity), number);
    let chosen: InjectedFault | undefined;
    // Every kind is asked, also after a hit: each counts its own opportunities.
    for (const kind of kinds) {
      const hit = this.#explicitHit(kind, opportunity) ?? this.#randomHit(kind, opportunity);
      if (hit === undefined) continue;
      const { call, device } = opportunity;
      chosen ??= { kind, call, number, ...(device !== undefined && { device }), ...hit };
    }
    return chosen;
  }

  /** Returns how many opportunities of this call and device there were. */
  count(opportunity: Opportunity): number {
    return this.#counts.get(nameOf(opportunity)) ?? 0;
  }

  #explicitHit(kind: FaultKind, opportunity: Opportunity): FaultEffect | undefined {
    let hit: Fault | undefined;
    for (const entry of this.#explicit) {
      if (entry.fault.kind !== kind || !matches(entry.fault, opportunity)) continue;
      entry.seen += 1;
      const { at = 1, times = 1 } = entry.fault;
      if (entry.seen >= at && entry.seen < at + times) hit ??= entry.fault;
    }
    if (hit === undefined) return undefined;
    return effect(kind, hit);
  }

  #randomHit(kind: FaultKind, opportunity: Opportunity): FaultEffect | undefined {
    const { call, device = '', irqIndex = '', vector = '', explicitOnly = false } = opportunity;
    const rate = this.#rates[kind];
    if (rate === undefined || rate === 0 || explicitOnly) return undefined;
    const errnos = fails(kind) ? randomErrnos(call) : [];
    if (kind === 'fail' && errnos.length === 0) return undefined;
    const name = `${kind} ${call} ${device} ${irqIndex} ${vector}`;
    if (!this.#streams.hits(name, rate)) return undefined;
    const errno = errnos[this.#streams.between(`errno ${name}`, 0, Math.max(0, errnos.length - 1))];
    return effect(kind, { errno, delayMs: this.#streams.between(`delay ${name}`, ...RANDOM_DELAY_MS) });
  }
}

function nameOf({ call, device = '' }: Opportunity): string {
  return `${call} ${device}`;
}

function matches(fault: Fault, { call, device, irqIndex, vector }: Opportunity): boolean {
  return (
    siteMatches(fault, call) &&
    (fault.device === undefined || fault.device === device) &&
    (fault.irqIndex === undefined || fault.irqIndex === irqIndex) &&
    (fault.vector === undefined || fault.vector === vector)
  );
}

function siteMatches({ kind, call: wanted }: Fault, call: FaultSite): boolean {
  if (wanted !== undefined) return wanted === call;
  if (kind === 'fail') return isFaultableCall(call);
  return (kind !== 'short-read' && kind !== 'all-ones') || call === 'regionRead';
}

function fails(kind: FaultKind): boolean {
  return kind === 'fail' || kind === 'reset-failed';
}

/** Returns what a fault does, without what does not apply to its kind. */
function effect(
  kind: FaultKind,
  { errno = 'EIO', delayMs = DEFAULT_DELAY_MS }: Pick<Fault, 'errno' | 'delayMs'>,
): FaultEffect {
  if (fails(kind)) return { errno };
  return kind === 'irq-late' || kind === 'reset-slow' ? { delayMs } : {};
}

function randomErrnos(call: FaultSite): readonly ErrnoName[] {
  return isFaultableCall(call) ? (KERNEL_CALLS[call].errnos ?? []) : ['EIO'];
}
