import type { GuestFault } from './region-handlers.js';

/** Settings of a placement. */
export interface PlaceOptions {
  /** Granule of guest memory, bytes, a power of two. Default: the page size of the machine. */
  readonly pageSize?: number;
  /** Called for each access that failed, in addition to the count. A guest can cause these at will: keep it cheap. */
  readonly onFault?: (fault: GuestFault) => void;
}
