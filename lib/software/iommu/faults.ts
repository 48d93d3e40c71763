import { channel } from 'node:diagnostics_channel';

import type { DmaFault } from '../../native/vfio-user.js';

/** What `vfio-engine:dma-fault` carries: one access of a device's that no mapping allowed. */
export interface DmaFaultMessage extends DmaFault {
  /** How many faults the domain has counted, those among them that were too many to be kept one by one. */
  readonly count: number;
}

const faultChannel = channel('vfio-engine:dma-fault');

/** Publishes faults on the `vfio-engine:dma-fault` channel. */
export function reportFaults(faults: { readonly count: number; readonly recent: readonly DmaFault[] }): void {
  for (const fault of faults.recent) {
    const message: DmaFaultMessage = { ...fault, count: faults.count };
    faultChannel.publish(message);
  }
}
