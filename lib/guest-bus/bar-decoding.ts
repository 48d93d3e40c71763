import {
  PCI_BASE_ADDRESS_0,
  PCI_BASE_ADDRESS_IO_MASK,
  PCI_BASE_ADDRESS_MEM_MASK,
  PCI_BASE_ADDRESS_MEM_TYPE_64,
  PCI_BASE_ADDRESS_MEM_TYPE_MASK,
  PCI_BASE_ADDRESS_SPACE_IO,
  PCI_COMMAND,
  PCI_COMMAND_IO,
  PCI_COMMAND_MEMORY,
  PCI_ROM_ADDRESS,
  PCI_ROM_ADDRESS_ENABLE,
  PCI_ROM_ADDRESS_MASK,
} from '../uapi/pci.js';
import { VFIO_PCI_ROM_REGION_INDEX } from '../uapi/vfio.js';
import { PORT_COUNT } from './arguments.js';
import type { PlaceableRegion } from './placeable-region.js';
import type { GuestAddress } from './placement-plan.js';

const BAR_COUNT = 6;

/** Reads a 32-bit register of config space. */
type ReadRegister = (offset: number) => number;

/**
 * Returns the address at which a region decodes now; undefined if it does not decode.
 * @param index 0 to 5 for a BAR, 6 for the ROM
 */
export function decodedAddress(region: PlaceableRegion, index: number, read: ReadRegister): GuestAddress | undefined {
  if (region.size === 0) return undefined;
  const command = read(PCI_COMMAND) & 0xffff;
  if (index === VFIO_PCI_ROM_REGION_INDEX) return decodedRom(read(PCI_ROM_ADDRESS), command, region);
  const low = read(PCI_BASE_ADDRESS_0 + 4 * index);
  if ((low & PCI_BASE_ADDRESS_SPACE_IO) !== 0) return decodedPort(low, command, region);
  const wide = (low & PCI_BASE_ADDRESS_MEM_TYPE_MASK) === PCI_BASE_ADDRESS_MEM_TYPE_64;
  const high = wide ? read(PCI_BASE_ADDRESS_0 + 4 * (index + 1)) : 0;
  return decodedMemory(low & PCI_BASE_ADDRESS_MEM_MASK, high, command, region);
}

/** Tells whether a config write reaches the command register, a BAR or the register of the ROM. */
export function reachesDecoding(offset: number, length: number): boolean {
  const reaches = (start: number, size: number): boolean => offset < start + size && offset + length > start;
  return reaches(PCI_COMMAND, 2) || reaches(PCI_BASE_ADDRESS_0, 4 * BAR_COUNT) || reaches(PCI_ROM_ADDRESS, 4);
}

function decodedRom(register: number, command: number, region: PlaceableRegion): GuestAddress | undefined {
  if ((register & PCI_ROM_ADDRESS_ENABLE) === 0) return undefined;
  return decodedMemory(register & PCI_ROM_ADDRESS_MASK, 0, command, region);
}

/** Takes address 0, and the all ones that a guest writes to learn the size of a BAR, for no address. */
function decodedMemory(low: number, high: number, command: number, region: PlaceableRegion): GuestAddress | undefined {
  if ((command & PCI_COMMAND_MEMORY) === 0) return undefined;
  const gpa = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
  const past = gpa + BigInt(region.size);
  return gpa === 0n || past === 1n << 32n || past === 1n << 64n ? undefined : { gpa };
}

function decodedPort(register: number, command: number, region: PlaceableRegion): GuestAddress | undefined {
  if ((command & PCI_COMMAND_IO) === 0) return undefined;
  const port = (register & PCI_BASE_ADDRESS_IO_MASK) >>> 0;
  return port === 0 || port + region.size > PORT_COUNT ? undefined : { port };
}
