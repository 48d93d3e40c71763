import { failWith } from '../base/errno-failure.js';
import type { IommuDomain } from '../iommu/domain.js';
import type { IommuGroup } from '../iommu/iommu-group.js';
import type { Binding } from './bound-device.js';
import { Ioas } from './ioas.js';
import { IommufdObject, type ObjectTable } from './objects.js';

/** The iommufd, as a mediated device uses it. `IommufdContext` implements it. */
export interface AccessContext {
  readonly objects: ObjectTable;
  createDomain(): IommuDomain;
  /** Drops the reference of the device. */
  put(): Promise<void>;
}

/** A mediated device that is bound to an iommufd. Its driver reads and writes the memory of one IOAS. Source: struct iommufd_access */
export class Access extends IommufdObject implements Binding {
  readonly kind = 'access';
  #attached: { readonly ioas: Ioas; readonly domain: IommuDomain } | null = null;

  constructor(
    private readonly context: AccessContext,
    private readonly group: IommuGroup,
  ) {
    super();
    // The driver uses it until it unbinds.
    this.users = 1;
  }

  /** @throws ENOENT if the id is not that of an IOAS; EADDRINUSE if a mapping is not of whole pages */
  async attach(id: number): Promise<number> {
    const ioas = this.context.objects.get(id);
    if (!(ioas instanceof Ioas)) failWith('ENOENT');
    if (this.#attached?.ioas === ioas) return id;
    const domain = this.context.createDomain();
    try {
      await ioas.table.addAccess(domain);
    } catch (error) {
      domain.close();
      throw error;
    }
    await this.detach();
    await this.group.attach(domain);
    ioas.users += 1;
    this.#attached = { ioas, domain };
    return id;
  }

  async detach(): Promise<void> {
    const attached = this.#attached;
    if (attached === null) return;
    this.#attached = null;
    this.group.detach();
    await attached.ioas.table.removeAccess(attached.domain);
    attached.domain.close();
    attached.ioas.users -= 1;
  }

  async unbind(): Promise<void> {
    await this.detach();
    this.users -= 1;
    await this.context.objects.remove(this);
  }

  override async destroy(): Promise<void> {
    await this.context.put();
  }
}
