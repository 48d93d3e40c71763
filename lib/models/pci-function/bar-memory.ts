import type { Fd, MappingHandle } from '../../kernel/kernel.js';
import { addon } from '../../native/addon.js';
import type { OwnedResources } from '../../vfio-user/server/owned-resources.js';
import type { BarLayout } from '../pci-model.js';

const PROT_READ_WRITE = 3;

/** The memory behind a BAR's mapped areas: a memfd as large as the BAR, of which only what is touched costs anything. */
export class BarMemory {
  readonly fd: Fd;
  readonly bytes: Uint8Array;
  readonly #mapping: MappingHandle;

  constructor(
    name: string,
    bar: BarLayout,
    private readonly owned: OwnedResources,
  ) {
    this.fd = owned.adoptFd(addon.memfdCreate(`${name}-bar${bar.index}`, BigInt(bar.size), 0));
    this.#mapping = owned.adoptMapping(addon.mappingCreate(this.fd, 0n, bar.size, PROT_READ_WRITE));
    this.bytes = new Uint8Array(addon.mappingView(this.#mapping));
  }

  close(): void {
    this.owned.closeMapping(this.#mapping);
    this.owned.closeFd(this.fd);
  }
}
