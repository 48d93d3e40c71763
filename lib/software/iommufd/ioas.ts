import { Mutex } from '../../base/mutex.js';
import { IoPageTable, type IoPageTableEnvironment } from './io-page-table.js';
import { IommufdObject } from './objects.js';

/** An address space. Source: struct iommufd_ioas */
export class Ioas extends IommufdObject {
  readonly kind = 'ioas';
  readonly table: IoPageTable;
  /** Held while page tables come and go. Source: mutex */
  readonly lock = new Mutex();

  constructor(environment: IoPageTableEnvironment) {
    super();
    this.table = new IoPageTable(environment);
  }

  override async destroy(): Promise<void> {
    await this.table.unmapAll();
  }
}
