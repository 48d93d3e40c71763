import { Mutex } from '../../base/mutex.js';
import type { Pinning } from './area-domains.js';
import type { Hwpt } from './hwpt.js';
import { IoPageTable } from './io-page-table.js';
import { IommufdObject } from './objects.js';

/** An address space: its mappings, and the page tables that have them. Source: struct iommufd_ioas */
export class Ioas extends IommufdObject {
  readonly kind = 'ioas';
  readonly table: IoPageTable;
  readonly hwpts: Hwpt[] = [];
  /** Held while page tables come and go. Source: mutex */
  readonly lock = new Mutex();

  constructor(pinning: Pinning) {
    super();
    this.table = new IoPageTable(pinning);
  }

  override async destroy(): Promise<void> {
    await this.table.unmapAll();
  }
}

/** @returns the object as an IOAS, undefined for another kind */
export function asIoas(object: IommufdObject): Ioas | undefined {
  return object instanceof Ioas ? object : undefined;
}
