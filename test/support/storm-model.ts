import type { PciModel } from '../../lib/models/pci-model.js';

/**
 * A model for tests: every write to BAR0 asks for one byte of DMA inside of the write, at the iova that was written;
 * reading offset 0 tells how many of them went well. Offset 8 ends the thread, offset 16 never returns.
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
