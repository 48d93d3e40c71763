import { announceRequest, warn } from '../base/diagnostics.js';
import type { Device } from './device.js';
import { VfioError } from '../base/errors.js';
import { IrqVector } from '../irq/vector.js';
import { VFIO_IRQ_INFO_EVENTFD, VFIO_PCI_REQ_IRQ_INDEX } from '../uapi/vfio.js';

/** Called when the kernel asks for a device back, before the engine detaches it. */
export type RequestHandler = (device: Device) => void | Promise<void>;

/** What to do when the kernel asks for a device back. */
export type OnRequest = 'detach' | 'ignore' | RequestHandler;

/** How long a handler may keep a device that the kernel wants. */
export const REQUEST_HANDLER_MS = 5000;

/**
 * Gives a device back when the kernel asks for it: somebody unbinds its driver, or pulls it out, and waits, without end
 * and without a signal's help, until its user closes it. Where the device has no such interrupt (mediated devices may
 * not) or it cannot be had, the device works without; the second is a warning.
 * Thread: the one that attaches the device. Source: vfio_pci_core_request, VFIO_PCI_REQ_IRQ_INDEX
 */
export class RequestWatch {
  readonly #onRequest: OnRequest;
  #device: Device | undefined;
  #vector: IrqVector | undefined;

  constructor(onRequest: OnRequest) {
    this.#onRequest = onRequest;
  }

  /** Makes what the interrupt comes by, which needs no device yet; `arm` tries again where it fails. */
  prepare(): void {
    if (this.#onRequest === 'ignore') return;
    try {
      this.#vector ??= this.#create();
    } catch (error) {
      if (!(error instanceof VfioError)) throw error;
    }
  }

  /** Asks the kernel for the interrupt. */
  async arm(device: Device): Promise<void> {
    const irq = device.irqInfos[VFIO_PCI_REQ_IRQ_INDEX];
    const there = irq !== undefined && irq.count > 0 && (irq.flags & VFIO_IRQ_INFO_EVENTFD) !== 0;
    if (this.#onRequest === 'ignore' || !there) return this.close();
    this.#device = device;
    try {
      await device.irq(VFIO_PCI_REQ_IRQ_INDEX).enableWith((this.#vector ??= this.#create()));
    } catch (error) {
      warn('the device will not be given back when its driver is unbound', error, device.name);
    }
  }

  /** Ends the watch; the device's interrupt does so too. */
  close(): void {
    this.#vector?.close();
  }

  #create(): IrqVector {
    const vector = IrqVector.create(() => {
      if (this.#device !== undefined) void giveBack(this.#device, this.#onRequest);
    });
    // A device that waits to be asked for is no reason to stay.
    vector.setRef(false);
    return vector;
  }
}

/** The kernel asks again every ten seconds: only the first time counts. */
async function giveBack(device: Device, onRequest: OnRequest): Promise<void> {
  if (!device.attached) return;
  announceRequest(device.name);
  if (typeof onRequest === 'function') await tell(device, onRequest);
  try {
    await device.detach();
  } catch (error) {
    warn('the device that was asked for could not be given back', error, device.name);
  }
}

/** A handler that fails or never ends does not keep the device. */
async function tell(device: Device, handler: RequestHandler): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    const message = `onRequest did not end in ${REQUEST_HANDLER_MS} ms: the device is detached without it`;
    timer = setTimeout(() => reject(new VfioError(message, { code: 'ERR_TIMEOUT' })), REQUEST_HANDLER_MS);
  });
  try {
    await Promise.race([Promise.resolve(handler(device)), tooLong]);
  } catch (error) {
    warn('onRequest failed', error, device.name);
  } finally {
    clearTimeout(timer);
  }
}
