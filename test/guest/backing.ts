import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BackingFiles } from './devices.js';

/** The bytes of the image behind nvme. */
const NVME_SIZE = 16 << 20;
/** The text at the start of nvme's first block. */
const NVME_FIRST_BYTES = 'vfio-guest nvme block 0';
/** The bytes of pci-testdev's option ROM. */
export const OPTION_ROM_SIZE = 2048;
/** The byte that fills the ROM after its headers. */
const OPTION_ROM_FILL = 0xa5;

/** Creates the host files of the guest's devices. The caller removes the folder after the run. */
export async function makeBackingFiles(folder: string): Promise<BackingFiles> {
  const files = { nvmeImage: join(folder, 'nvme.raw'), optionRom: join(folder, 'option.rom') };
  await writeFile(files.nvmeImage, NVME_FIRST_BYTES);
  await truncate(files.nvmeImage, NVME_SIZE);
  await writeFile(files.optionRom, optionRom());
  return files;
}

/**
 * Makes an expansion ROM with a signature and a PCIR structure, which Linux accepts. No firmware runs it, because its code type
 * does not exist.
 * Source: PCI Firmware Specification 3.x, "PCI Expansion ROMs"; drivers/pci/rom.c pci_get_rom_size
 */
export function optionRom(): Uint8Array {
  const bytes = new Uint8Array(OPTION_ROM_SIZE).fill(OPTION_ROM_FILL);
  const view = new DataView(bytes.buffer);
  const header = 0x1c;
  view.setUint16(0, 0xaa55, true);
  bytes.fill(0, 2, header);
  view.setUint16(0x18, header, true);
  bytes.set(new TextEncoder().encode('PCIR'), header);
  view.setUint16(header + 4, 0x1b36, true);
  view.setUint16(header + 6, 0x0005, true);
  view.setUint16(header + 8, 0, true);
  view.setUint16(header + 10, 0x18, true);
  bytes.fill(0, header + 12, header + 16);
  view.setUint16(header + 16, OPTION_ROM_SIZE / 512, true);
  view.setUint16(header + 18, 0, true);
  bytes[header + 20] = 0xf0;
  bytes[header + 21] = 0x80;
  bytes.fill(0, header + 22, header + 24);
  return bytes;
}
