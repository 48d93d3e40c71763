import { VFIO_IRQ_SET_DATA_BOOL, VFIO_IRQ_SET_DATA_EVENTFD } from '../uapi/vfio.js';
import type { IrqSet } from './kernel.js';

/** Returns what follows `struct vfio_irq_set` by its flags: descriptors as 32-bit numbers, or a byte for each vector. */
export function irqData({ flags, eventfds, bools }: IrqSet): Uint8Array {
  if ((flags & VFIO_IRQ_SET_DATA_EVENTFD) !== 0) return new Uint8Array(Int32Array.from(eventfds ?? []).buffer);
  return (flags & VFIO_IRQ_SET_DATA_BOOL) !== 0 && bools !== undefined ? bools : new Uint8Array(0);
}
