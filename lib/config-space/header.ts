import * as reg from '../uapi/pci.js';

/** A base address register, as config space shows it. */
export interface BarAddress {
  /** 0 to 5 for a device, 0 and 1 for a bridge. */
  readonly barIndex: number;
  /** A 32-bit or 64-bit memory BAR, or I/O ports. */
  readonly kind: 'memory32' | 'memory64' | 'io';
  /** Whether reads have no side effects and writes may be merged. */
  readonly prefetchable: boolean;
  /** A bus address, or the number of a port. */
  readonly address: bigint;
}

/** The header of config space. Source: PCI Local Bus Specification 3.0, 6.1 */
export interface ConfigHeader {
  /** PCI_VENDOR_ID, 16 bits. */
  readonly vendorId: number;
  /** PCI_DEVICE_ID, 16 bits. */
  readonly deviceId: number;
  /** The command register, bits PCI_COMMAND_*. */
  readonly command: number;
  /** The status register, bits PCI_STATUS_*. */
  readonly status: number;
  /** The revision, 8 bits. */
  readonly revisionId: number;
  /** 24 bits: class, subclass, programming interface. */
  readonly classCode: number;
  /** 0 for a device, 1 for a bridge. */
  readonly headerType: number;
  /** Whether the device has several functions. */
  readonly multifunction: boolean;
  /** The BARs that have an address, ascending. */
  readonly bars: readonly BarAddress[];
  /** The address and the enable bit of the ROM; 0 without a ROM. */
  readonly romAddress: number;
  /** The interrupt line that firmware or the host has stored. */
  readonly interruptLine: number;
  /** 1 (INTA) to 4 (INTD); 0 without INTx. */
  readonly interruptPin: number;
  /** The subsystem of a device (type 0). */
  readonly subsystem?: { readonly vendorId: number; readonly id: number };
  /** The bus numbers of a bridge (type 1). */
  readonly bridge?: { readonly primaryBus: number; readonly secondaryBus: number; readonly subordinateBus: number };
}

/**
 * Parses the header.
 * @param config the first 64 bytes of config space, or more
 */
export function parseHeader(config: Uint8Array): ConfigHeader {
  const view = new DataView(config.buffer, config.byteOffset, config.byteLength);
  const word = (offset: number): number => view.getUint16(offset, true);
  const type = view.getUint8(reg.PCI_HEADER_TYPE);
  const headerType = type & reg.PCI_HEADER_TYPE_MASK;
  return {
    vendorId: word(reg.PCI_VENDOR_ID),
    deviceId: word(reg.PCI_DEVICE_ID),
    command: word(reg.PCI_COMMAND),
    status: word(reg.PCI_STATUS),
    revisionId: view.getUint8(reg.PCI_REVISION_ID),
    classCode: view.getUint8(reg.PCI_CLASS_PROG) | (word(reg.PCI_CLASS_PROG + 1) << 8),
    headerType,
    multifunction: (type & reg.PCI_HEADER_TYPE_MFD) !== 0,
    bars: decodeBars(view, barCount(headerType)),
    romAddress: romAddress(view, headerType),
    interruptLine: view.getUint8(reg.PCI_INTERRUPT_LINE),
    interruptPin: view.getUint8(reg.PCI_INTERRUPT_PIN),
    ...byType(view, headerType),
  };
}

function barCount(headerType: number): number {
  if (headerType === reg.PCI_HEADER_TYPE_NORMAL) return 6;
  return headerType === reg.PCI_HEADER_TYPE_BRIDGE ? 2 : 0;
}

function romAddress(view: DataView, headerType: number): number {
  if (headerType === reg.PCI_HEADER_TYPE_NORMAL) return view.getUint32(reg.PCI_ROM_ADDRESS, true);
  return headerType === reg.PCI_HEADER_TYPE_BRIDGE ? view.getUint32(reg.PCI_ROM_ADDRESS1, true) : 0;
}

function byType(view: DataView, headerType: number): Pick<ConfigHeader, 'subsystem' | 'bridge'> {
  if (headerType === reg.PCI_HEADER_TYPE_NORMAL) {
    const vendorId = view.getUint16(reg.PCI_SUBSYSTEM_VENDOR_ID, true);
    return { subsystem: { vendorId, id: view.getUint16(reg.PCI_SUBSYSTEM_ID, true) } };
  }
  if (headerType !== reg.PCI_HEADER_TYPE_BRIDGE) return {};
  const [primaryBus, secondaryBus] = [view.getUint8(reg.PCI_PRIMARY_BUS), view.getUint8(reg.PCI_SECONDARY_BUS)];
  return { bridge: { primaryBus, secondaryBus, subordinateBus: view.getUint8(reg.PCI_SUBORDINATE_BUS) } };
}

/** Leaves out registers of 0: config space does not tell a missing BAR from a 32-bit BAR without an address. */
function decodeBars(view: DataView, count: number): BarAddress[] {
  const bars: BarAddress[] = [];
  for (let barIndex = 0; barIndex < count; barIndex += 1) {
    const bar = decodeBar(view, barIndex, count);
    if (bar === undefined) continue;
    bars.push(bar);
    if (bar.kind === 'memory64') barIndex += 1;
  }
  return bars;
}

function decodeBar(view: DataView, barIndex: number, count: number): BarAddress | undefined {
  const low = view.getUint32(reg.PCI_BASE_ADDRESS_0 + 4 * barIndex, true);
  if (low === 0) return undefined;
  if ((low & reg.PCI_BASE_ADDRESS_SPACE_IO) !== 0) {
    return { barIndex, kind: 'io', prefetchable: false, address: BigInt((low & ~3) >>> 0) };
  }
  const type = low & reg.PCI_BASE_ADDRESS_MEM_TYPE_MASK;
  const wide = type === reg.PCI_BASE_ADDRESS_MEM_TYPE_64 && barIndex + 1 < count;
  const high = wide ? view.getUint32(reg.PCI_BASE_ADDRESS_0 + 4 * (barIndex + 1), true) : 0;
  return {
    barIndex,
    kind: wide ? 'memory64' : 'memory32',
    prefetchable: (low & reg.PCI_BASE_ADDRESS_MEM_PREFETCH) !== 0,
    address: (BigInt(high) << 32n) | BigInt((low & ~0xf) >>> 0),
  };
}
