import type { PciModel } from '../../../../lib/models/pci-model.js';

/** QEMU's edu for a client that maps BAR0: plain memory with the identification. The registers do nothing. */
const model: PciModel = {
  name: 'mappable-edu',
  identity: { vendorId: 0x1234, deviceId: 0x11e8, classCode: 0x00ff00, revisionId: 0x10 },
  bars: [{ index: 0, size: 1 << 20, kind: 'memory32', mapped: true }],
  resettable: false,
  create: (host) => {
    host.barMemory(0).set([0xed, 0x00, 0x00, 0x01]);
    return { read: () => 0, write: () => undefined, reset: () => undefined };
  },
};

export default model;
