import {
  PCI_BASE_ADDRESS_0,
  PCI_BASE_ADDRESS_MEM_TYPE_64,
  PCI_BASE_ADDRESS_SPACE_IO,
  PCI_COMMAND,
  PCI_COMMAND_IO,
  PCI_COMMAND_MEMORY,
  PCI_COMMAND_SERR,
  PCI_ROM_ADDRESS,
} from '../../uapi/pci.js';
import { VFIO_PCI_CONFIG_REGION_INDEX, VFIO_PCI_ROM_REGION_INDEX } from '../../uapi/vfio.js';
import type { RunningDevice } from './running-device.js';

/** The command register after the kernel enabled a device. Bus mastering is off. */
const COMMAND_ENABLED = PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_SERR;
/** Where the next BAR goes, as firmware assigns them: I/O ports, memory below 4 GiB, memory above. */
const next = { io: 0xc000n, memory32: 0x8000_0000n, memory64: 0x10_0000_0000n };
const END = { io: 0x1_0000n, memory32: 0xfec0_0000n, memory64: 1n << 46n };

/** Reads config space as the device has it. */
export async function readConfig(device: RunningDevice): Promise<Uint8Array> {
  const size = device.regions[VFIO_PCI_CONFIG_REGION_INDEX]?.info.size ?? 0n;
  return device.readRegion(VFIO_PCI_CONFIG_REGION_INDEX, 0n, Number(size));
}

/** Enables decoding, as the kernel does when it opens a device. Source: vfio_pci_core_enable, pci_enable_device */
export async function enableDevice(device: RunningDevice): Promise<void> {
  await writeConfig(device, PCI_COMMAND, Uint8Array.of(COMMAND_ENABLED & 0xff, COMMAND_ENABLED >> 8));
}

/** Gives every BAR without an address one. Source: pci_assign_resource */
export async function assignAddresses(device: RunningDevice): Promise<void> {
  const config = await readConfig(device);
  const view = new DataView(config.buffer, config.byteOffset, config.byteLength);
  for (let index = 0; index <= VFIO_PCI_ROM_REGION_INDEX; index += 1) {
    const size = device.regions[index]?.info.size ?? 0n;
    if (size === 0n) continue;
    const at = index === VFIO_PCI_ROM_REGION_INDEX ? PCI_ROM_ADDRESS : PCI_BASE_ADDRESS_0 + 4 * index;
    const register = view.getUint32(at, true);
    const io = index !== VFIO_PCI_ROM_REGION_INDEX && (register & PCI_BASE_ADDRESS_SPACE_IO) !== 0;
    const wide = !io && index !== VFIO_PCI_ROM_REGION_INDEX && (register & PCI_BASE_ADDRESS_MEM_TYPE_64) !== 0;
    if ((register & ~0xf) !== 0 || (wide && view.getUint32(at + 4, true) !== 0)) continue;
    const address = takeAddress(io ? 'io' : wide ? 'memory64' : 'memory32', size);
    const bytes = new Uint8Array(wide ? 8 : 4);
    new DataView(bytes.buffer).setUint32(0, Number(address & 0xffff_ffffn), true);
    if (wide) new DataView(bytes.buffer).setUint32(4, Number(address >> 32n), true);
    await writeConfig(device, at, bytes);
  }
}

/** Takes an address that is a multiple of the size. Starts again when the space is used up: nothing decodes the addresses. */
function takeAddress(kind: keyof typeof next, size: bigint): bigint {
  const align = (address: bigint): bigint => (address + size - 1n) & -size;
  let address = align(next[kind]);
  if (address + size > END[kind]) address = align(kind === 'io' ? 0x1000n : size);
  next[kind] = address + size;
  return address;
}

/** Undoes what a user changed in the device. The dwords that did not change are not written. Source: vfio_pci_core_disable */
export async function restoreConfig(device: RunningDevice, saved: Uint8Array): Promise<void> {
  const now = await readConfig(device);
  for (let at = 0; at < saved.length; at += 4) {
    const dword = saved.subarray(at, at + 4);
    if (dword.some((byte, i) => byte !== now[at + i])) await writeConfig(device, at, dword);
  }
}

async function writeConfig(device: RunningDevice, at: number, bytes: Uint8Array): Promise<void> {
  await device.writeRegion(VFIO_PCI_CONFIG_REGION_INDEX, BigInt(at), bytes);
}
