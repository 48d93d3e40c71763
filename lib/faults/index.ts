/**
 * Faults on demand: a seeded plan that makes kernels, accesses and interrupts fail, for tests of drivers and of the engine.
 *
 * @module vfio-engine/faults
 */
export { FaultPlan } from './fault-plan.js';
export {
  DEFAULT_FAULT_RATES,
  FAULT_KINDS,
  type Fault,
  type FaultKind,
  type FaultPlanOptions,
  type FaultRates,
  type FaultSite,
  type InjectedFault,
} from './fault.js';
export type { FaultableCall } from './kernel-calls.js';
