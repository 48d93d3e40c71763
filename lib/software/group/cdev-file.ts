import { ReferenceCounted } from '../base/reference-counted.js';
import { failWith } from '../base/errno-failure.js';
import type { IommufdContext } from '../iommufd/iommufd-context.js';
import type { VfioDriver } from './vfio-driver.js';

/** A device, as a file of its own node uses it. `VfioDevice` implements it. */
export interface BindableDevice {
  readonly name: string;
  readonly driver: VfioDriver;
  /**
   * Opens the device and binds it to an iommufd.
   * @param iommufd returns the iommufd; called after the group is known not to be open @throws EBADF, EBADFD
   * @param bound called with a reference to the iommufd, before another call can use the device
   * @returns the id of the device
   * @throws EBUSY if its group is open; EINVAL if it is open; EPERM; the errno of the driver
   */
  bindIommufd(iommufd: () => IommufdContext, bound: (context: IommufdContext) => void): Promise<number>;
  /** Closes the device and drops the reference to the iommufd. */
  unbindIommufd(context: IommufdContext): Promise<void>;
  /** Attaches the device to an IOAS or a page table, or moves it there. @returns the id of the page table */
  attachPageTable(id: number): Promise<number>;
  /** Detaches the device. */
  detachPageTable(): Promise<void>;
  putRegistration(): void;
}

/**
 * An open /dev/vfio/devices/vfioN. Only a bind to an iommufd works on it before the bind; afterwards it is the open device.
 * Source: drivers/vfio/device_cdev.c
 */
export class CdevFile extends ReferenceCounted {
  #context: IommufdContext | null = null;

  /** @param device the file takes over a registration of it */
  constructor(readonly device: BindableDevice) {
    super();
  }

  /** The device, after the bind. @throws EINVAL before it */
  get bound(): BindableDevice {
    return this.#context === null ? failWith('EINVAL') : this.device;
  }

  /** Performs VFIO_DEVICE_BIND_IOMMUFD. @throws as `BindableDevice.bindIommufd` */
  bind(iommufd: () => IommufdContext): Promise<number> {
    const unbound = (): IommufdContext => (this.#context === null ? iommufd() : failWith('EINVAL'));
    return this.device.bindIommufd(unbound, (context) => (this.#context = context));
  }

  protected override async release(): Promise<void> {
    try {
      if (this.#context !== null) await this.device.unbindIommufd(this.#context);
    } finally {
      this.device.putRegistration();
    }
  }
}
