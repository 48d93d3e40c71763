import * as pci from '../../uapi/pci.js';
import type { BarLayout, PciModel } from '../pci-model.js';
import { barRegisters } from './bar-layout.js';

/** Config space after power-on, and the bits of it that a client can change. */
export interface ConfigImage {
  /** The values after power-on. */
  readonly bytes: Uint8Array;
  /** A mask of the writable bits. */
  readonly writable: Uint8Array;
  /** The offsets of the capabilities. An absent capability is undefined. */
  readonly offsets: { readonly msi?: number; readonly msix?: number; readonly express?: number };
  /** Bytes of the ROM region; 0 without a ROM. */
  readonly romSize: number;
}

const MSI_SIZE = 16;
const MSIX_SIZE = 12;
const EXPRESS_SIZE = 60;
/** The subsystem of a model that names none: QEMU's default. */
const SUBSYSTEM = { vendorId: 0x1af4, id: 0x1100 };

/** Builds the config space of a model: header, MSI, MSI-X, PCI Express. */
export function buildConfigImage(model: PciModel): ConfigImage {
  const size = model.express === true ? pci.PCI_CFG_SPACE_EXP_SIZE : pci.PCI_CFG_SPACE_SIZE;
  const image = new ImageWriter(size);
  writeHeader(image, model);
  const romSize = writeRom(image, model.rom);
  const offsets: { msi?: number; msix?: number; express?: number } = {};
  if (model.msi !== undefined) offsets.msi = writeMsi(image, model.msi.vectors);
  if (model.msix !== undefined) offsets.msix = writeMsix(image, model.msix);
  if (model.express === true) offsets.express = writeExpress(image);
  return { bytes: image.bytes, writable: image.writable, offsets, romSize };
}

class ImageWriter {
  readonly bytes: Uint8Array;
  readonly writable: Uint8Array;
  readonly #values: DataView;
  readonly #masks: DataView;
  #link: number = pci.PCI_CAPABILITY_LIST;
  #free: number = pci.PCI_STD_HEADER_SIZEOF;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
    this.writable = new Uint8Array(size);
    this.#values = new DataView(this.bytes.buffer);
    this.#masks = new DataView(this.writable.buffer);
  }

  put8(offset: number, value: number, writable = 0): void {
    this.bytes[offset] = value;
    this.writable[offset] = writable;
  }

  put16(offset: number, value: number, writable = 0): void {
    this.#values.setUint16(offset, value, true);
    this.#masks.setUint16(offset, writable, true);
  }

  put32(offset: number, value: number, writable = 0): void {
    this.#values.setUint32(offset, value, true);
    this.#masks.setUint32(offset, writable, true);
  }

  /** Appends a capability to the list. @returns its offset */
  capability(id: number, size: number): number {
    const offset = this.#free;
    this.put8(this.#link, offset);
    this.put8(offset, id);
    this.#link = offset + 1;
    this.#free = offset + Math.ceil(size / 16) * 16;
    return offset;
  }
}

function writeHeader(image: ImageWriter, model: PciModel): void {
  const { identity } = model;
  image.put16(pci.PCI_VENDOR_ID, identity.vendorId);
  image.put16(pci.PCI_DEVICE_ID, identity.deviceId);
  image.put16(pci.PCI_COMMAND, 0, COMMAND_BITS);
  const capable = model.msi !== undefined || model.msix !== undefined || model.express === true;
  image.put16(pci.PCI_STATUS, capable ? pci.PCI_STATUS_CAP_LIST : 0);
  image.put32(pci.PCI_CLASS_REVISION, ((identity.classCode << 8) | identity.revisionId) >>> 0);
  image.put8(pci.PCI_CACHE_LINE_SIZE, 0, 0xff);
  for (const bar of model.bars) writeBar(image, bar);
  image.put16(pci.PCI_SUBSYSTEM_VENDOR_ID, identity.subsystemVendorId ?? SUBSYSTEM.vendorId);
  image.put16(pci.PCI_SUBSYSTEM_ID, identity.subsystemId ?? SUBSYSTEM.id);
  image.put8(pci.PCI_INTERRUPT_LINE, 0, 0xff);
  image.put8(pci.PCI_INTERRUPT_PIN, model.interruptPin ?? 0);
}

/** The writable bits of the command register, as on QEMU's devices: IO also without I/O ports. */
const COMMAND_BITS =
  pci.PCI_COMMAND_IO |
  pci.PCI_COMMAND_MEMORY |
  pci.PCI_COMMAND_MASTER |
  pci.PCI_COMMAND_SERR |
  pci.PCI_COMMAND_INTX_DISABLE;

/** Writes a BAR register. Its bits above the size are writable, so after a write of ones it reads as the size mask. */
function writeBar(image: ImageWriter, bar: BarLayout): void {
  const offset = pci.PCI_BASE_ADDRESS_0 + bar.index * 4;
  const wide = bar.kind === 'memory64' ? pci.PCI_BASE_ADDRESS_MEM_TYPE_64 : 0;
  const prefetch = bar.prefetchable === true ? pci.PCI_BASE_ADDRESS_MEM_PREFETCH : 0;
  const mask = ~(BigInt(bar.size) - 1n);
  image.put32(
    offset,
    bar.kind === 'io' ? pci.PCI_BASE_ADDRESS_SPACE_IO : wide | prefetch,
    Number(BigInt.asUintN(32, mask)),
  );
  if (barRegisters(bar) === 2) image.put32(offset + 4, 0, Number(BigInt.asUintN(32, mask >> 32n)));
}

function writeRom(image: ImageWriter, rom: Uint8Array | undefined): number {
  if (rom === undefined || rom.length === 0) return 0;
  const size = Math.max(2048, 2 ** Math.ceil(Math.log2(rom.length)));
  image.put32(pci.PCI_ROM_ADDRESS, 0, (~(size - 1) | pci.PCI_ROM_ADDRESS_ENABLE) >>> 0);
  return size;
}

function writeMsi(image: ImageWriter, vectors: number): number {
  const offset = image.capability(pci.PCI_CAP_ID_MSI, MSI_SIZE);
  const flags = pci.PCI_MSI_FLAGS_64BIT | (Math.log2(vectors) << 1);
  image.put16(offset + pci.PCI_MSI_FLAGS, flags, pci.PCI_MSI_FLAGS_ENABLE | pci.PCI_MSI_FLAGS_QSIZE);
  image.put32(offset + pci.PCI_MSI_ADDRESS_LO, 0, 0xffff_ffff);
  image.put32(offset + pci.PCI_MSI_ADDRESS_HI, 0, 0xffff_ffff);
  image.put16(offset + pci.PCI_MSI_DATA_64, 0, 0xffff);
  return offset;
}

function writeMsix(image: ImageWriter, msix: NonNullable<PciModel['msix']>): number {
  const offset = image.capability(pci.PCI_CAP_ID_MSIX, MSIX_SIZE);
  const writable = pci.PCI_MSIX_FLAGS_MASKALL | pci.PCI_MSIX_FLAGS_ENABLE;
  image.put16(offset + pci.PCI_MSIX_FLAGS, msix.vectors - 1, writable);
  image.put32(offset + pci.PCI_MSIX_TABLE, msix.table.offset | msix.table.bar);
  image.put32(offset + pci.PCI_MSIX_PBA, msix.pba.offset | msix.pba.bar);
  return offset;
}

/** Writes the capability of an endpoint (version 2) with function-level reset, on a link of one lane at 2.5 GT/s. */
function writeExpress(image: ImageWriter): number {
  const offset = image.capability(pci.PCI_CAP_ID_EXP, EXPRESS_SIZE);
  image.put16(offset + pci.PCI_EXP_FLAGS, 2);
  image.put32(offset + pci.PCI_EXP_DEVCAP, pci.PCI_EXP_DEVCAP_RBER | pci.PCI_EXP_DEVCAP_FLR);
  // The reset bit is not writable: it takes effect in the write and always reads 0.
  image.put16(offset + pci.PCI_EXP_DEVCTL, 0x2810, 0x7fff);
  image.put32(offset + pci.PCI_EXP_LNKCAP, 0x11);
  image.put16(offset + pci.PCI_EXP_LNKCTL, 0, 0x03fb);
  image.put16(offset + pci.PCI_EXP_LNKSTA, 0x11);
  return offset;
}
