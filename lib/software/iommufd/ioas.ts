import { Mutex } from '../../base/mutex.js';
import type { Pinning } from '../iommu/memory-pinning.js';
import { IoPageTable } from './io-page-table.js';
import { IommufdObject } from './objects.js';

/** An address space. Source: struct iommufd_ioas */
export class Ioas extends IommufdObject {
  readonly kind = 'ioas';
  readonly table: IoPageTable;
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
