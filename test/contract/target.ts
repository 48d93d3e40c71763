import type { BackendName } from '../../lib/backends/backend.js';
import type { Engine } from '../../lib/engine/engine.js';

/** One backend over one kernel, with an edu to try it on. */
export interface ContractTarget {
  readonly name: string;
  readonly capabilities: ContractCapabilities;
  /** Makes an engine that attaches by this backend, once for the suite. */
  open(): Promise<ContractSubject>;
}

/** What differs between targets, so that no test has to ask which one it runs on. */
interface ContractCapabilities {
  readonly backend: BackendName;
  /** Whether BAR 0 of the edu can be mapped. */
  readonly mapped: boolean;
  /** Whether a group's number is told. */
  readonly groups: boolean;
  /** Whether the pages that devices write can be told. */
  readonly dirtyTracking: boolean;
}

export interface ContractSubject {
  readonly engine: Engine;
  /** A name that `attach` takes for an edu. */
  readonly edu: string;
  /** A second edu, in a group of its own. */
  readonly secondEdu: string;
  /** Takes edu's driver away; resolves when no user of the device keeps it any more. */
  unbind(): Promise<void>;
  /** Gives edu its driver again. */
  bind(): Promise<void>;
  close(): Promise<void>;
}
