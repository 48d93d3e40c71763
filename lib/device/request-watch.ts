import { announceRequest, warn } from '../base/diagnostics.js';
import { VfioError } from '../base/errors.js';
import { IrqVector } from '../irq/vector.js';
import { VFIO_IRQ_INFO_EVENTFD, VFIO_PCI_REQ_IRQ_INDEX } from '../uapi/vfio.js';
import type { Device } from './device.js';

/** Called when the kernel asks for a device, before the engine detaches it. */
export type RequestHandler = (device: Device) => void | Promise<void>;

/** What the engine does when the kernel asks for a device. */
export type OnRequest = 'detach' | 'ignore' | RequestHandler;

/** The time that a handler has before the device is detached without it. */
const REQUEST_HANDLER_MS = 5000;

/**
 * Detaches a device when the kernel asks for it by the REQ interrupt. The kernel asks when a process unbinds the driver of
 * the device, or the device is unplugged. It then waits without a time limit, and no signal ends the wait, until the
 * device is closed. A device without this interrupt, such as many mediated devices, works without the watch. If the
 * interrupt cannot be enabled, the device works without it too, and a warning is published.
 * Thread: the one that attaches the device. Source: vfio_pci_core_request, VFIO_PCI_REQ_IRQ_INDEX
 */
export class RequestWatch {
  readonly #onRequest: OnRequest;
  #device: Device | undefined;
  #vector: IrqVector | undefined;

  constructor(onRequest: OnRequest) {
    this.#onRequest = onRequest;
  }

  /** Creates the eventfd of the interrupt, for which no device is needed. If that fails, `arm` tries again. */
  prepare(): void {
    if (this.#onRequest === 'ignore') return;
    try {
      this.#vector ??= this.#createVector();
    } catch (error) {
      if (!(error instanceof VfioError)) throw error;
    }
  }

  /** Enables the interrupt. */
  async arm(device: Device): Promise<void> {
    const irq = device.irqInfos[VFIO_PCI_REQ_IRQ_INDEX];
    const available = irq !== undefined && irq.count > 0 && (irq.flags & VFIO_IRQ_INFO_EVENTFD) !== 0;
    if (this.#onRequest === 'ignore' || !available) return this.close();
    this.#device = device;
    try {
      await device.irq(VFIO_PCI_REQ_IRQ_INDEX).enableWith((this.#vector ??= this.#createVector()));
    } catch (error) {
      warn('the device will not be detached when its driver is unbound', error, device.name);
    }
  }

  /** Closes the eventfd. Detaching the device does so too. */
  close(): void {
    this.#vector?.close();
  }

  #createVector(): IrqVector {
    const vector = IrqVector.create(() => {
      if (this.#device !== undefined) void detachOnRequest(this.#device, this.#onRequest);
    });
    // The watch does not keep the process alive.
    vector.setRef(false);
    return vector;
  }
}

/** Detaches the device on the first request. The kernel repeats the request every ten seconds. */
async function detachOnRequest(device: Device, onRequest: OnRequest): Promise<void> {
  if (!device.attached) return;
  announceRequest(device.name);
  try {
    // The look begins before the detach, which waits for it.
    const looking = device.lookForRemoval();
    if (typeof onRequest === 'function' && !(await looking)) await callHandler(device, onRequest);
    await Promise.all([looking, device.detach()]);
  } catch (error) {
    warn('the device that the kernel asked for could not be detached', error, device.name);
  }
}

/** Waits for the handler, but not longer than its time limit, and reports its failure as a warning. */
async function callHandler(device: Device, handler: RequestHandler): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeLimit = new Promise<never>((_, reject) => {
    const message = `onRequest did not return within ${REQUEST_HANDLER_MS} ms: the device is detached without it`;
    timer = setTimeout(() => reject(new VfioError(message, { code: 'ERR_TIMEOUT' })), REQUEST_HANDLER_MS);
  });
  try {
    await Promise.race([Promise.resolve(handler(device)), timeLimit]);
  } catch (error) {
    warn('onRequest failed', error, device.name);
  } finally {
    clearTimeout(timer);
  }
}
