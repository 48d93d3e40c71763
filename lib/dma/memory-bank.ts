import { DmaMapping } from './dma-mapping.js';
import type { SpaceMappings } from './space/space-mappings.js';

/** Guest memory, mapped at its guest address. Thread: the one that made its space. */
export class MemoryBank extends DmaMapping {
  readonly #onRemoved: () => void;

  /** @internal Use `DmaSpace.addBank`. */
  constructor(mappings: SpaceMappings, onRemoved: () => void) {
    super(mappings);
    this.#onRemoved = onRemoved;
  }

  /** The guest physical address, which is the IOVA. @throws ERR_CLOSED if it is removed */
  get gpa(): bigint {
    return this.iova;
  }

  /** Unmaps the bank from every device. The same as `unmap`. */
  remove(): Promise<void> {
    return this.unmap();
  }

  /** @internal */
  override onUnmapped(): void {
    this.#onRemoved();
  }
}
