/**
 * The guest's PCI devices and their addresses, for the QEMU command line and for the specs. The addresses are fixed, so that
 * a spec names a device by its bdf.
 */

/** The host files of devices; `backing.ts` creates them. */
export interface BackingFiles {
  /** The raw image behind nvme. */
  readonly nvmeImage: string;
  /** The option ROM of pci-testdev. */
  readonly optionRom: string;
}

/** The bdf of each device. The devices of one slot, and the devices behind one bridge, share an IOMMU group. */
export const BDF = {
  /** edu alone in its group, DMA mask of 28 bits (QEMU's default). */
  edu: '0000:00:04.0',
  /** pci-testdev with an option ROM and a 64-bit memory BAR of 1 MiB, alone in its group. */
  testdev: '0000:00:05.0',
  nvme: '0000:00:08.0',
  rootPort: '0000:00:09.0',
  /** Behind the root port, on the first bus that the firmware numbers. */
  e1000e: '0000:01:00.0',
  /** One group of two functions. The guest's kernel has no driver for them. */
  pairEdu: '0000:00:0a.0',
  pairTestdev: '0000:00:0a.1',
  bridge: '0000:00:0b.0',
  /** Behind a bridge without ACS: one group with the bridge. */
  bridgedEdu: '0000:02:01.0',
  bridgedTestdev: '0000:02:02.0',
  ivshmem: '0000:00:0c.0',
  /** Its group is not viable until `blocker`, which virtio-pci has bound, is unbound. */
  blockedEdu: '0000:00:0d.0',
  blocker: '0000:00:0d.1',
  /** A second edu alone in its group, with a DMA mask of 64 bits, for several devices in one address space. */
  eduWide: '0000:00:0e.0',
  /** Two slots whose cards a test removes for good, one for each backend. */
  slotA: '0000:00:0f.0',
  cardA: '0000:03:00.0',
  slotB: '0000:00:10.0',
  cardB: '0000:04:00.0',
} as const;

type DeviceName = keyof typeof BDF;

/** Vendor and device ids, as sysfs prints them without `0x`. */
export const IDS = {
  edu: '1234:11e8',
  testdev: '1b36:0005',
  nvme: '1b36:0010',
  rootPort: '1b36:000c',
  e1000e: '8086:10d3',
  bridge: '1b36:000e',
  ivshmem: '1af4:1110',
  virtioRng: '1af4:1005',
} as const;

/** @returns the `addr` option of `-device` for a device on bus 0 */
function slot(name: DeviceName): string {
  return `addr=${BDF[name].slice('0000:00:'.length)}`;
}

/** The bytes of ivshmem's BAR 2. */
export const IVSHMEM_SIZE = 1 << 20;

/**
 * @param files host paths; commas are doubled, as QEMU requires
 * @returns the QEMU options of all devices
 */
export function deviceOptions(files: BackingFiles): string[] {
  const devices = [
    `edu,${slot('edu')}`,
    `pci-testdev,${slot('testdev')},membar=1M,romfile=${escapeComma(files.optionRom)}`,
    `nvme,${slot('nvme')},drive=nvme0,serial=vfio-guest`,
    `pcie-root-port,${slot('rootPort')},id=port0,chassis=1`,
    // Without its boot ROM: that is a file of another package, and the firmware runs it for a second.
    'e1000e,bus=port0,addr=0,romfile=',
    `edu,${slot('pairEdu')},multifunction=on`,
    `pci-testdev,${slot('pairTestdev')}`,
    `pcie-pci-bridge,${slot('bridge')},id=bridge0`,
    'edu,bus=bridge0,addr=1',
    'pci-testdev,bus=bridge0,addr=2',
    `ivshmem-plain,${slot('ivshmem')},memdev=ivshmem0`,
    `edu,${slot('blockedEdu')},multifunction=on`,
    `virtio-rng-pci,${slot('blocker')},disable-modern=off,disable-legacy=off`,
    `edu,${slot('eduWide')},dma_mask=0xffffffffffffffff`,
    `pcie-root-port,${slot('slotA')},id=portA,chassis=2`,
    'e1000e,bus=portA,addr=0,romfile=',
    `pcie-root-port,${slot('slotB')},id=portB,chassis=3`,
    'e1000e,bus=portB,addr=0,romfile=',
  ];
  return [
    ...['-drive', `file=${escapeComma(files.nvmeImage)},format=raw,if=none,id=nvme0`],
    ...['-object', `memory-backend-ram,id=ivshmem0,size=${IVSHMEM_SIZE},share=on`],
    ...devices.flatMap((device) => ['-device', device]),
  ];
}

/** Doubles commas: a single one ends a value in a QEMU option. */
export function escapeComma(path: string): string {
  return path.replaceAll(',', ',,');
}
