import type { PciModel } from '../../../../lib/models/pci-model.js';

/** The layout of QEMU's pci-testdev with a ROM: memory, I/O ports, 32 KiB of ROM, 256 bytes of config space. */
const rom = new Uint8Array(0x8000);
rom.set([0x55, 0xaa, 0x40, 0xee]);

const model: PciModel = {
  name: 'pci-testdev',
  identity: { vendorId: 0x1b36, deviceId: 0x0005, classCode: 0x00ff00, revisionId: 0 },
  bars: [
    { index: 0, size: 0x1000, kind: 'memory32', mapped: true },
    { index: 1, size: 0x100, kind: 'io' },
  ],
  rom,
  resettable: false,
  create: () => ({ read: () => 0, write: () => undefined, reset: () => undefined }),
};

export default model;
