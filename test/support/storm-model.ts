import type { PciModel } from '../../lib/models/pci-model.js';

/**
 * A model for tests. A write to BAR0 reads one byte by DMA before it returns, at the IOVA that was written. A read of offset 0
 * returns how many of these DMA reads succeeded. A write to offset 8 ends the thread; one to offset 16 never returns.
 */
const storm: PciModel<{ throwAtStart?: boolean }> = {
  name: 'storm',
  identity: { vendorId: 0x1234, deviceId: 1, classCode: 0, revisionId: 0 },
  bars: [{ index: 0, size: 4096, kind: 'memory32' }],
  resettable: false,
  create(host, options) {
    if (options?.throwAtStart === true) throw new Error('storm does not start');
    let done = 0;
    return {
      read: () => done,
      write(_bar, offset, _width, value) {
        if (offset === 8) process.exit(3);
        while (offset === 16);
        if (host.dmaRead(BigInt(value), new Uint8Array(1))) done += 1;
      },
      reset: () => undefined,
    };
  },
};

export default storm;
