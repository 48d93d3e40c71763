import type { Container } from './container.js';
import { Counted } from '../counted.js';

/** An open /dev/vfio/vfio: its descriptors hold it, and it holds the container. */
export class ContainerFile extends Counted {
  readonly kind = 'container';

  constructor(readonly container: Container) {
    super();
  }

  protected override release(): Promise<void> {
    return this.container.put();
  }
}
