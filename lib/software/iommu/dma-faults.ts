import { channel } from 'node:diagnostics_channel';

import type { DmaFault } from '../../native/vfio-user.js';

/** A message of the channel `vfio-engine:dma-fault`: a DMA access of a device that no mapping allows. */
export interface DmaFaultMessage {
  /** The first IOVA of the access. */
  readonly iova: bigint;
  /** Bytes. */
  readonly size: bigint;
  /** Whether the device wrote. */
  readonly write: boolean;
  /** How many faults the domain has counted. The count includes faults that were dropped: the addon keeps the newest 64. */
  readonly count: number;
}

const dmaFaultChannel = channel('vfio-engine:dma-fault');

/** Publishes each recent fault on `vfio-engine:dma-fault`. */
export function publishDmaFaults(faults: { readonly count: number; readonly recent: readonly DmaFault[] }): void {
  for (const fault of faults.recent) {
    const message: DmaFaultMessage = { ...fault, count: faults.count };
    dmaFaultChannel.publish(message);
  }
}
