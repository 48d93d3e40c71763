import { ReferenceCounted } from '../base/reference-counted.js';
import type { VfioContainer } from './vfio-container.js';

/** An open /dev/vfio/vfio. Its descriptors hold it, and it holds the container. */
export class ContainerFile extends ReferenceCounted {
  constructor(readonly container: VfioContainer) {
    super();
  }

  protected override release(): Promise<void> {
    return this.container.put();
  }
}
