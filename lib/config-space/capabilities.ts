import {
  PCI_CAPABILITY_LIST,
  PCI_CFG_SPACE_SIZE,
  PCI_EXT_CAP_START,
  PCI_STATUS,
  PCI_STATUS_CAP_LIST,
} from '../uapi/pci.js';

/** One entry of the list of capabilities. */
export interface Capability {
  readonly id: number;
  /** Where it is in config space. */
  readonly offset: number;
}

/** One entry of the list of extended capabilities. */
export interface ExtendedCapability extends Capability {
  readonly version: number;
}

/** Walks the standard capabilities. A list that runs in a circle or into the header ends there. */
export function walkCapabilities(config: Uint8Array): Capability[] {
  const view = new DataView(config.buffer, config.byteOffset, config.byteLength);
  const found: Capability[] = [];
  if ((view.getUint16(PCI_STATUS, true) & PCI_STATUS_CAP_LIST) === 0) return found;
  const seen = new Set<number>();
  const end = Math.min(PCI_CFG_SPACE_SIZE, view.byteLength) - 2;
  for (let offset = view.getUint8(PCI_CAPABILITY_LIST) & ~3; offset >= 0x40 && offset <= end && !seen.has(offset);) {
    seen.add(offset);
    const id = view.getUint8(offset);
    // What is gone from the bus reads as all ones.
    if (id === 0xff) break;
    found.push({ id, offset });
    offset = view.getUint8(offset + 1) & ~3;
  }
  return found;
}

/** Walks the extended capabilities; none where config space has 256 bytes. */
export function walkExtendedCapabilities(config: Uint8Array): ExtendedCapability[] {
  const view = new DataView(config.buffer, config.byteOffset, config.byteLength);
  const found: ExtendedCapability[] = [];
  const seen = new Set<number>();
  for (let offset = PCI_EXT_CAP_START; offset >= PCI_EXT_CAP_START && !seen.has(offset);) {
    if (offset + 4 > view.byteLength) break;
    seen.add(offset);
    const header = view.getUint32(offset, true);
    if (header === 0 || header === 0xffffffff) break;
    found.push({ id: header & 0xffff, version: (header >>> 16) & 0xf, offset });
    offset = (header >>> 20) & ~3;
  }
  return found;
}
