import type { ErrnoName } from '../uapi/errno.js';
import type { FaultableCall } from './kernel-calls.js';

/** The kinds of faults. The README of this folder describes each. */
export const FAULT_KINDS = [
  'fail',
  'short-read',
  'all-ones',
  'removal',
  'worker-killed',
  'irq-lost',
  'irq-late',
  'irq-doubled',
  'reset-failed',
  'reset-slow',
  'dma-limit',
] as const;

/** A kind of fault; see `Fault.kind`. */
export type FaultKind = (typeof FAULT_KINDS)[number];

/**
 * What a fault is injected into: a call of the kernel, by the name of its method in `vfio-engine/kernel`; a transfer to or
 * from a trapped part of a region; the delivery of an interrupt.
 */
export type FaultSite = FaultableCall | 'regionRead' | 'regionWrite' | 'interrupt';

/** A fault at a chosen place. It counts the calls that match its filters, and is injected into call number `at`. */
export interface Fault {
  /**
   * `fail`: a call or a transfer fails with `errno`. `short-read`: a read returns half of its bytes. `all-ones`: a read returns
   * 0xff in all bytes. `removal`: the device stops its DMA and disappears after a transfer. `worker-killed`: the I/O worker of the
   * device is terminated before a transfer is answered. `irq-lost`, `irq-late`, `irq-doubled`: an interrupt is not delivered,
   * delivered after `delayMs`, or delivered twice. `reset-failed`, `reset-slow`: a reset fails with `errno`, or takes
   * `delayMs` longer. `dma-limit`: a DMA mapping exceeds the limit of the kernel.
   */
  readonly kind: FaultKind;
  /** Counts only calls of this name. Default: for `fail` all calls of the kernel, for reads `regionRead`. */
  readonly call?: FaultSite | undefined;
  /** Counts only calls that concern the device of this name. */
  readonly device?: string | undefined;
  /** Counts only interrupts of this VFIO_PCI_*_IRQ_INDEX. */
  readonly irqIndex?: number | undefined;
  /** Counts only interrupts of this vector. */
  readonly vector?: number | undefined;
  /** The number of the call, from 1. Default: 1. */
  readonly at?: number | undefined;
  /** How many calls in a row get the fault, from 1; `Infinity` for all from `at` on. Default: 1. */
  readonly times?: number | undefined;
  /** The error of `fail` and `reset-failed`. Default: EIO. */
  readonly errno?: ErrnoName | undefined;
  /** The delay of `irq-late` and `reset-slow`, milliseconds, 0 to 60,000. Default: 20. */
  readonly delayMs?: number | undefined;
  /** `dma-limit`: how many mappings a container or an IOAS takes, in place of `at`. Pieces of one map count each. */
  readonly entries?: number | undefined;
}

/** The probability of each kind of fault, 0 to 1, at each call that can have it. A kind that is left out never occurs. */
export type FaultRates = Readonly<Partial<Record<FaultKind, number>>>;

/** The settings of a `FaultPlan`. */
export interface FaultPlanOptions {
  /** The seed of the random faults, an integer from 0 to 4,294,967,295. The same seed chooses the same faults. */
  readonly seed: number;
  /** Random faults. Default: `DEFAULT_FAULT_RATES` without `faults`, no random faults with them. */
  readonly rates?: FaultRates | undefined;
  /** Faults at chosen places. Default: none. */
  readonly faults?: readonly Fault[] | undefined;
}

/** A fault that was injected: an element of `FaultPlan.injected`, and the message of `vfio-engine:fault`. */
export interface InjectedFault {
  /** What was injected. */
  readonly kind: FaultKind;
  /** What it was injected into. */
  readonly call: FaultSite;
  /** The number of the call, from 1, among those of its name that concern the same device. */
  readonly number: number;
  /** The name of the device; absent if the call concerns no single device. */
  readonly device?: string;
  /** The error of the call, if it failed. */
  readonly errno?: ErrnoName;
  /** The delay, milliseconds, if there was one. */
  readonly delayMs?: number;
}

/** The rates of a plan that has only a seed: each kind occurs, and most attaches still succeed. */
export const DEFAULT_FAULT_RATES: FaultRates = {
  fail: 0.003,
  'short-read': 0.001,
  'all-ones': 0.001,
  removal: 0.0002,
  'worker-killed': 0.0005,
  'irq-lost': 0.002,
  'irq-late': 0.01,
  'irq-doubled': 0.005,
  'reset-failed': 0.05,
  'reset-slow': 0.05,
  'dma-limit': 0.01,
};
