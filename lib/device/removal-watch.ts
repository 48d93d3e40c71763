import { announceRemoval, type RemovalMessage } from '../base/diagnostics.js';
import { systemError, VfioError } from '../base/errors.js';
import type { ConfigIo } from '../config-space/config-io.js';
import type { OpenDevice } from '../kernel/liveness.js';
import { PCI_CLASS_REVISION } from '../uapi/pci.js';

/** The bytes of the revision and the class. No class is 0xffffff. */
const CLASS_REVISION_SIZE = 4;

/**
 * Notices that a device is gone for good: its model has ended, or it was pulled from its slot. The software core tells it; the
 * real kernel asks for the device by the REQ interrupt, and config space then reads as ones. Either way the device counts as
 * detached at once, and every wait ends. Thread: the one that attached the device.
 */
export class RemovalWatch {
  readonly #device: OpenDevice;
  #io: ConfigIo | undefined;
  #tell: (message: RemovalMessage) => void = () => undefined;
  #stop: () => void = () => undefined;
  #gone = false;

  constructor(device: OpenDevice) {
    this.#device = device;
  }

  /** Begins to watch. @param io config space, if the device has one @param tell called once, if the device is gone */
  start(io: ConfigIo | undefined, tell: (message: RemovalMessage) => void): void {
    const { kernel, deviceFd } = this.#device;
    this.#io = io;
    this.#tell = tell;
    this.#stop = kernel.watchRemoval?.(deviceFd, (error) => this.#report(error)) ?? this.#stop;
  }

  /** Looks whether the device is gone, and reports it then. A device without config space is taken for present. */
  async look(): Promise<boolean> {
    const io = this.#io;
    if (io === undefined || !this.#device.live.open) return this.#gone;
    const answers = await this.#device.live.run(() => answersTo(io));
    if (!answers) this.#report(systemError('ENODEV', 'pread', { device: this.#device.name, hint: 'it was unplugged' }));
    return this.#gone;
  }

  /** Ends the watch. A look that has begun still reports what it finds. */
  close(): void {
    this.#stop();
  }

  #report(error: VfioError): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#device.live.end(error);
    const message = { device: this.#device.name, error };
    announceRemoval(message);
    this.#tell(message);
  }
}

/**
 * Tells whether a device answers in config space. Vendor and device id do not tell it: vfio-pci answers them itself.
 * Source: init_pci_cap_basic_perm
 */
async function answersTo(io: ConfigIo): Promise<boolean> {
  try {
    return (await io.read(PCI_CLASS_REVISION, CLASS_REVISION_SIZE)).some((byte) => byte !== 0xff);
  } catch (error) {
    if (error instanceof VfioError && error.errno !== undefined) return false;
    throw error;
  }
}
