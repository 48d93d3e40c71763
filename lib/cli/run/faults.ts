import type { FaultPlan } from '../../faults/fault-plan.js';
import type { InjectedFault } from '../../faults/fault.js';

/** The faults of a run. */
interface RunFaults {
  readonly plan: FaultPlan;
  /** Writes the faults that were injected to standard error, in their order. */
  tell(): void;
}

/** The most faults that are written one by one. */
const MOST_TOLD = 20;

/** Makes a plan of random faults. */
export async function startFaults(seed: number): Promise<RunFaults> {
  const { FaultPlan } = await import('../../faults/fault-plan.js');
  const plan = new FaultPlan({ seed });
  return { plan, tell: () => tell(plan) };
}

function tell({ injected, seed }: FaultPlan): void {
  const lines = injected.slice(0, MOST_TOLD).map((fault) => `  ${describe(fault)}\n`);
  const rest = injected.length > MOST_TOLD ? `  and ${injected.length - MOST_TOLD} more\n` : '';
  process.stderr.write(`${injected.length} fault(s) injected with seed ${seed}\n${lines.join('')}${rest}`);
}

function describe({ kind, call, number, device = 'the kernel', errno, delayMs }: InjectedFault): string {
  const effect = [errno, delayMs === undefined ? undefined : `${delayMs} ms`].filter((part) => part !== undefined);
  return [`${kind}: ${call} ${number} of ${device}`, ...effect].join(', ');
}
