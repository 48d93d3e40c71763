import type { BackendName } from '../../lib/backends/backend.js';
import type { Engine } from '../../lib/engine/engine.js';

/** One backend over one kernel, with two edu devices. */
export interface ContractTarget {
  readonly name: string;
  readonly capabilities: ContractCapabilities;
  /** Creates an engine that attaches by this backend. Called once for the suite. */
  open(): Promise<ContractSubject>;
}

/** The differences between targets. Tests ask for them and never for the name of a target. */
interface ContractCapabilities {
  readonly backend: BackendName;
  /** Whether BAR 0 of the edu can be mapped. */
  readonly mapped: boolean;
  /** Whether a device has the number of its group. */
  readonly groups: boolean;
  /** Whether the pages that devices write can be tracked. */
  readonly dirtyTracking: boolean;
}

/** An engine and its devices. */
export interface ContractSubject {
  readonly engine: Engine;
  /** The name of an edu. */
  readonly edu: string;
  /** The name of a second edu, in another group. */
  readonly secondEdu: string;
  /** Unbinds the driver of the edu; resolves when no process uses the device. */
  unbind(): Promise<void>;
  /** Binds the driver of the edu again. */
  bind(): Promise<void>;
  close(): Promise<void>;
}
