import type { Fd, MappingHandle } from '../../kernel/kernel.js';
import { addon } from '../../native/addon.js';
import { PROT_READ, PROT_WRITE } from '../../uapi/mman.js';
import type { OwnedResources } from '../../vfio-user/server/owned-resources.js';
import type { BarLayout } from '../pci-model.js';

/** The memory behind a BAR's mapped areas: a memfd as large as the BAR. Pages that nobody touches cost nothing. */
export class BarMemory {
  /** The memfd, which the client maps too. */
  readonly fd: Fd;
  /** The memory, as long as the BAR. */
  readonly bytes: Uint8Array;
  readonly #mapping: MappingHandle;

  constructor(
    name: string,
    bar: BarLayout,
    private readonly owned: OwnedResources,
  ) {
    this.fd = owned.adoptFd(addon.memfdCreate(`${name}-bar${bar.index}`, BigInt(bar.size), 0));
    this.#mapping = owned.adoptMapping(addon.mappingCreate(this.fd, 0n, bar.size, PROT_READ | PROT_WRITE));
    this.bytes = new Uint8Array(addon.mappingView(this.#mapping));
  }

  /** Unmaps the memory and closes the memfd. */
  close(): void {
    this.owned.closeMapping(this.#mapping);
    this.owned.closeFd(this.fd);
  }
}
