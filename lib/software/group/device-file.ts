import { ReferenceCounted } from '../base/reference-counted.js';
import type { VfioDriver } from './vfio-driver.js';

/** A device, as its open file uses it. `VfioDevice` implements it. */
export interface OpenableDevice {
  readonly name: string;
  readonly driver: VfioDriver;
  /** Counts a closed file. */
  close(): Promise<void>;
}

/** An open device. Its descriptors hold it. */
export class DeviceFile extends ReferenceCounted {
  constructor(readonly device: OpenableDevice) {
    super();
  }

  protected override release(): Promise<void> {
    return this.device.close();
  }
}
