import {
  PCI_CAPABILITY_LIST,
  PCI_CFG_SPACE_SIZE,
  PCI_EXT_CAP_START,
  PCI_STATUS,
  PCI_STATUS_CAP_LIST,
  PCI_STD_HEADER_SIZEOF,
} from '../uapi/pci.js';

/** An entry of the list of capabilities. */
export interface Capability {
  /** PCI_CAP_ID_*, or PCI_EXT_CAP_ID_* of an extended capability. */
  readonly id: number;
  /** Bytes from the start of config space. */
  readonly offset: number;
}

/** An entry of the list of extended capabilities. */
export interface ExtendedCapability extends Capability {
  /** The version of the capability, 0 to 15. */
  readonly version: number;
}

/**
 * Lists the standard capabilities, in the order of their list. The list ends where it forms a loop or points into the header.
 * @param config the first 256 bytes of config space, or more
 */
export function walkCapabilities(config: Uint8Array): Capability[] {
  const view = new DataView(config.buffer, config.byteOffset, config.byteLength);
  const found: Capability[] = [];
  if ((view.getUint16(PCI_STATUS, true) & PCI_STATUS_CAP_LIST) === 0) return found;
  const seen = new Set<number>();
  const end = Math.min(PCI_CFG_SPACE_SIZE, view.byteLength) - 2;
  for (
    let offset = view.getUint8(PCI_CAPABILITY_LIST) & ~3;
    offset >= PCI_STD_HEADER_SIZEOF && offset <= end && !seen.has(offset);
  ) {
    seen.add(offset);
    const id = view.getUint8(offset);
    // A device that is gone from the bus reads as all ones.
    if (id === 0xff) break;
    found.push({ id, offset });
    offset = view.getUint8(offset + 1) & ~3;
  }
  return found;
}

/**
 * Lists the extended capabilities, in the order of their list.
 * @param config all of config space; without extended capabilities if it has 256 bytes
 */
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
