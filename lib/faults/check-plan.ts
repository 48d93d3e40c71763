import {
  argumentError,
  requireArray,
  requireInteger,
  requireNumber,
  requireObject,
  requireOneOf,
  requireOptions,
} from '../base/arguments.js';
import { isErrnoName } from '../uapi/errno.js';
import type { FaultSettings } from './fault-chooser.js';
import { DEFAULT_FAULT_RATES, type Fault, FAULT_KINDS, type FaultPlanOptions, type FaultRates } from './fault.js';
import { isFaultableCall } from './kernel-calls.js';

const LAST_SEED = 0xffff_ffff;
const LONGEST_DELAY_MS = 60_000;

/** Checks the options of a plan and fills in the defaults. @throws ERR_INVALID_ARGUMENT */
export function checkPlan(options: FaultPlanOptions): FaultSettings {
  requireOptions(options);
  const { seed, faults = [] } = options;
  requireInteger('seed', seed, 0, LAST_SEED);
  requireArray('faults', faults);
  faults.forEach((fault, i) => checkFault(`faults[${i}]`, fault));
  const rates = options.rates ?? (options.faults === undefined ? DEFAULT_FAULT_RATES : {});
  checkRates(rates);
  return { seed, rates: { ...rates }, faults: faults.map((fault) => ({ ...fault })) };
}

function checkRates(rates: FaultRates): void {
  requireObject('rates', rates);
  for (const [kind, rate] of Object.entries(rates)) {
    if (!(FAULT_KINDS as readonly string[]).includes(kind)) {
      throw argumentError('rates', 'an object whose keys are kinds of faults', kind);
    }
    if (rate !== undefined) requireNumber(`rates.${kind}`, rate, 0, 1);
  }
}

function checkFault(name: string, fault: Fault): void {
  requireObject(name, fault);
  const { kind, call, device, irqIndex, vector, at = 1, times = 1, errno, delayMs = 0, entries } = fault;
  requireOneOf(`${name}.kind`, kind, FAULT_KINDS);
  if (call !== undefined && !isSite(call)) {
    throw argumentError(`${name}.call`, "a method of a kernel, 'regionRead', 'regionWrite' or 'interrupt'", call);
  }
  if (device !== undefined && typeof device !== 'string') throw argumentError(`${name}.device`, 'a string', device);
  if (irqIndex !== undefined) requireInteger(`${name}.irqIndex`, irqIndex, 0);
  if (vector !== undefined) requireInteger(`${name}.vector`, vector, 0);
  requireInteger(`${name}.at`, at, 1);
  if (times !== Infinity) requireInteger(`${name}.times`, times, 1);
  if (errno !== undefined && !isErrnoName(errno)) throw argumentError(`${name}.errno`, 'the name of an errno', errno);
  requireNumber(`${name}.delayMs`, delayMs, 0, LONGEST_DELAY_MS);
  if (entries === undefined) return;
  requireInteger(`${name}.entries`, entries, 0);
  if (kind !== 'dma-limit')
    throw argumentError(`${name}.entries`, "left out of faults other than 'dma-limit'", entries);
}

function isSite(call: string): boolean {
  return isFaultableCall(call) || call === 'regionRead' || call === 'regionWrite' || call === 'interrupt';
}
