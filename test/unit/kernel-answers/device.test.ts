import { addon } from '../../../lib/native/addon.js';
import { fileOffset, type Scenario } from './scenario.js';
import { answerOf, hex, leftOut, readAnswer, row, table, zero } from './table.js';
import { SECOND_DEVICE, SECOND_GROUP, twoDevices } from './worlds.js';

/** Bytes of edu's BAR0. */
const SIZE = 1 << 20;

async function regionInfo(s: Scenario, index: number): Promise<string> {
  await s.deviceOpen();
  const { flags, size, offset } = s.kernel.getRegionInfo(s.device, index);
  const place = index === 1 && s.deviceName === SECOND_DEVICE ? '' : ` offset ${hex(offset)}`;
  return `0, flags ${hex(flags)} size ${hex(size)}${place}`;
}

async function absentRegion(s: Scenario, index: number): Promise<string> {
  await s.deviceOpen();
  const answer = await answerOf(() => String(s.kernel.getRegionInfo(s.device, index).flags));
  return `${answer}, flags 0 size 0 offset 0`;
}

function count(bytes: Uint8Array): string {
  return String(bytes.length);
}

/** Brings BAR0's register back, which a close does not. */
async function sized(s: Scenario, body: () => Promise<string>): Promise<string> {
  const before = await s.register(7, 0x10);
  try {
    return await body();
  } finally {
    await s.write(7, 0x10, before);
  }
}

async function mapped(s: Scenario, index: number, offset: bigint, length: number): Promise<string> {
  await s.deviceOpen();
  const answer = await answerOf(async () => {
    const handle = await s.kernel.mmap(s.device, fileOffset(index, offset), length, { read: true, write: true });
    addon.mappingClose(handle);
    return 'ok';
  });
  return answer.replace('-1', 'MAP_FAILED');
}

table('Device: info, regions, pread/pwrite, mmap', twoDevices, [
  row('DEVICE_GET_INFO argsz=8', '-', '-1 EINVAL', async (s) => {
    await s.deviceOpen();
    return zero(Promise.resolve(s.kernel.getDeviceInfo(s.device, 8)));
  }),
  row('GET_REGION_INFO argsz=16', 'index 0', '-1 EINVAL', async (s) => {
    await s.deviceOpen();
    return zero(Promise.resolve(s.kernel.getRegionInfo(s.device, 0, 16)));
  }),
  leftOut(
    'GET_REGION_INFO index 0',
    'edu',
    '0, flags 0x7 size 0x100000 offset 0',
    "flags are 0x3: BAR0 of the software edu is not mappable, a model's registers need the model",
  ),
  row('GET_REGION_INFO index 1', 'edu', '0, flags 0 size 0 offset 0x10000000000', (s) => regionInfo(s, 1)),
  row('GET_REGION_INFO index 2', 'edu', '0, flags 0 size 0 offset 0x20000000000', (s) => regionInfo(s, 2)),
  row('GET_REGION_INFO index 4', 'edu', '0, flags 0 size 0 offset 0x40000000000', (s) => regionInfo(s, 4)),
  row('GET_REGION_INFO index 5', 'edu', '0, flags 0 size 0 offset 0x50000000000', (s) => regionInfo(s, 5)),
  row('GET_REGION_INFO index 6', 'edu', '0, flags 0 size 0 offset 0x60000000000', (s) => regionInfo(s, 6)),
  row('GET_REGION_INFO index 7', 'edu', '0, flags 0x3 size 0x100 offset 0x70000000000', (s) => regionInfo(s, 7)),
  row('GET_REGION_INFO index 8', 'edu', '-1 EINVAL, flags 0 size 0 offset 0', (s) => absentRegion(s, 8)),
  row('GET_REGION_INFO index 9', 'edu', '-1 EINVAL, flags 0 size 0 offset 0', (s) => absentRegion(s, 9)),
  row('GET_REGION_INFO index 10', 'edu', '-1 EINVAL, flags 0 size 0 offset 0', (s) => absentRegion(s, 10)),
  row('pread 4 at BAR0+0', 'edu', '4, value 0x10000ed', async (s) =>
    readAnswer(await (await s.deviceOpen()).read(0, 0, 4)),
  ),
  row('pread 8 at BAR0+0x80', 'edu', '8, value 0x40000', async (s) => {
    await s.deviceOpen();
    await s.write(0, 0x80, 0x40000);
    return readAnswer(await s.read(0, 0x80, 8));
  }),
  row('pread 1 at BAR0+0', 'edu', '1, value 0', async (s) => readAnswer(await (await s.deviceOpen()).read(0, 0, 1))),
  row('pread 4 at BAR0+2', 'edu', '4, value 0', async (s) => readAnswer(await (await s.deviceOpen()).read(0, 2, 4))),
  row('pread 0 bytes', 'edu', '0', async (s) => count(await (await s.deviceOpen()).read(0, 0, 0))),
  row('pread 4096 at BAR0+0x40000', 'edu', '4096', async (s) =>
    count(await (await s.deviceOpen()).read(0, 0x40000, 4096)),
  ),
  row('pread 8 at the last dword of BAR0', 'crosses the end', '4', async (s) =>
    count(await (await s.deviceOpen()).read(0, SIZE - 4, 8)),
  ),
  row('pread 4 at BAR0 + size', 'past the end', '-1 EINVAL', async (s) =>
    count(await (await s.deviceOpen()).read(0, SIZE, 4)),
  ),
  row('pwrite 4 at BAR0 + size', 'past the end', '-1 EINVAL', async (s) =>
    String(await (await s.deviceOpen()).write(0, SIZE, 0)),
  ),
  row('pread 4 of BAR1', 'unimplemented BAR (size 0)', '-1 EINVAL', async (s) =>
    count(await (await s.deviceOpen()).read(1, 0, 4)),
  ),
  row('pread 4 of region 6 (ROM)', 'device without ROM', '-1 EINVAL', async (s) =>
    count(await (await s.deviceOpen()).read(6, 0, 4)),
  ),
  row('pread 4 of region 9', 'no such region', '-1 EINVAL', async (s) =>
    count(await (await s.deviceOpen()).read(9, 0, 4)),
  ),
  row('pread 4 at offset -1', '-', '-1 EINVAL', async (s) => {
    await s.deviceOpen();
    return count(await s.kernel.pread(s.device, -1n, 4));
  }),
  leftOut('pread 4 into NULL', 'BAR0', '-1 EFAULT', 'the typed interface has no NULL pointer'),
  leftOut('read 4 (no offset)', 'fresh device fd', '4', 'the interface has pread and pwrite alone'),
  leftOut('lseek(device fd, 0, SEEK_CUR)', '-', '-1 ESPIPE', 'the interface has pread and pwrite alone'),
  leftOut('write 4 (no offset)', '-', '4', 'the interface has pread and pwrite alone'),
  row('pwrite 4 at BAR0+4', 'edu', '4', async (s) => String(await (await s.deviceOpen()).write(0, 4, 0))),
  row('pread 4 config+0', 'edu', '4, value 0x11e81234', async (s) =>
    readAnswer(await (await s.deviceOpen()).read(7, 0, 4)),
  ),
  row('pwrite 4 config+0 (vendor id, read-only)', 'edu', '4', async (s) =>
    String(await (await s.deviceOpen()).write(7, 0, 0xffffffff)),
  ),
  row('pread 4 config+0', 'after that', '4, value 0x11e81234', async (s) => {
    await s.deviceOpen();
    await s.write(7, 0, 0xffffffff);
    return readAnswer(await s.read(7, 0, 4));
  }),
  row('pwrite ffffffff to BAR0 register (config+0x10)', 'edu', '4', async (s) => {
    await s.deviceOpen();
    return sized(s, async () => String(await s.write(7, 0x10, 0xffffffff)));
  }),
  row('pread config+0x10', 'sizing', '4, value 0xfff00000 (size mask), BAR0 was 0xfe700000', async (s) => {
    await s.deviceOpen();
    return sized(s, async () => {
      await s.write(7, 0x10, 0xffffffff);
      return `${readAnswer(await s.read(7, 0x10, 4))}, BAR0 was 0xfe700000`;
    });
  }),
  row('pread 4 BAR0+0', 'BAR register holds the sizing value (virtualised)', '4, value 0x10000ed', async (s) => {
    await s.deviceOpen();
    return sized(s, async () => {
      await s.write(7, 0x10, 0xffffffff);
      return readAnswer(await s.read(0, 0, 4));
    });
  }),
  row('pread 256 config+0', 'edu', '256', async (s) => count(await (await s.deviceOpen()).read(7, 0, 256))),
  row('pread 3 config+1', 'edu', '3', async (s) => count(await (await s.deviceOpen()).read(7, 1, 3))),
  row('pwrite 4 config+0x100', 'past the end', '-1 EFAULT', async (s) =>
    String(await (await s.deviceOpen()).write(7, 0x100, 0)),
  ),
  leftOut(
    'mmap BAR0 whole, RW, SHARED',
    'edu',
    'ok',
    "BAR0 of the software edu is not mappable: a model's registers need the model (rows of testdev's BAR0 are in device-mmap.test.ts)",
  ),
  leftOut(
    'mmap BAR0 MAP_PRIVATE',
    'edu',
    'MAP_FAILED EINVAL',
    "BAR0 of the software edu is not mappable: a model's registers need the model (rows of testdev's BAR0 are in device-mmap.test.ts)",
  ),
  leftOut(
    'mmap BAR0 size + 4096',
    'beyond the end',
    'MAP_FAILED EINVAL',
    "BAR0 of the software edu is not mappable: a model's registers need the model (rows of testdev's BAR0 are in device-mmap.test.ts)",
  ),
  leftOut(
    'mmap BAR0 last page + 4096 more',
    'beyond the end',
    'MAP_FAILED EINVAL',
    "BAR0 of the software edu is not mappable: a model's registers need the model (rows of testdev's BAR0 are in device-mmap.test.ts)",
  ),
  leftOut(
    'mmap at BAR0 + size',
    'beyond the end',
    'MAP_FAILED EINVAL',
    "BAR0 of the software edu is not mappable: a model's registers need the model (rows of testdev's BAR0 are in device-mmap.test.ts)",
  ),
  leftOut(
    'mmap BAR0 length 100',
    'edu',
    'ok',
    "BAR0 of the software edu is not mappable: a model's registers need the model (rows of testdev's BAR0 are in device-mmap.test.ts)",
  ),
  row('mmap BAR0 length 0', 'edu', 'MAP_FAILED EINVAL', (s) => mapped(s, 0, 0n, 0)),
  row('mmap region 9', 'no such region', 'MAP_FAILED EINVAL', (s) => mapped(s, 9, 0n, 4096)),
  leftOut(
    '32-bit load/store through the mapping',
    'edu',
    'ok, value 0x10000ed',
    "BAR0 of the software edu is not mappable: a model's registers need the model (rows of testdev's BAR0 are in device-mmap.test.ts)",
  ),
  leftOut(
    'load through the mapping',
    'memory decode off',
    'signal SIGBUS',
    "a load from a mapping with decoding off is SIGBUS in the kernel; the software core's mappings are memory and stay readable",
  ),
  row('pwrite 4 BAR0', 'memory decode off', '-1 EIO', async (s) => {
    await s.deviceOpen();
    await s.write(7, 4, Uint8Array.of(0, 1));
    return String(await s.write(0, 4, 0));
  }),
  leftOut(
    'mmap BAR0',
    'memory decode off',
    'ok',
    "BAR0 of the software edu is not mappable: a model's registers need the model (rows of testdev's BAR0 are in device-mmap.test.ts)",
  ),
  leftOut(
    'load through the same mapping',
    'memory decode on again',
    'ok, value 0x10000ed',
    "BAR0 of the software edu is not mappable: a model's registers need the model (rows of testdev's BAR0 are in device-mmap.test.ts)",
  ),
  row('read edu reg 4', 'written 0x12345678 before close', '0xedcba987', async (s) => {
    await s.deviceOpen();
    await s.write(0, 4, 0x12345678);
    await s.kernel.close(s.device);
    s.device = await s.kernel.getDeviceFd(s.group, s.deviceName);
    return hex(await s.register(0, 4));
  }),
  leftOut(
    'GET_REGION_INFO index 0',
    'pci-testdev with a ROM; BAR1 is I/O ports',
    '0, flags 0x7 size 0x1000',
    'the software testdev has other sizes and another ROM than pci-testdev; its own numbers are in device-more.test.ts',
  ),
  row('GET_REGION_INFO index 1', 'pci-testdev with a ROM; BAR1 is I/O ports', '0, flags 0x3 size 0x100', (s) =>
    regionInfo(s.about(SECOND_GROUP, SECOND_DEVICE), 1),
  ),
  leftOut(
    'GET_REGION_INFO index 6',
    'pci-testdev with a ROM; BAR1 is I/O ports',
    '0, flags 0x1 size 0x8000',
    'the software testdev has other sizes and another ROM than pci-testdev; its own numbers are in device-more.test.ts',
  ),
  leftOut(
    'GET_REGION_INFO index 7',
    'pci-testdev with a ROM; BAR1 is I/O ports',
    '0, flags 0x3 size 0x100',
    'the software testdev is a PCI Express device: its config space has 4096 bytes',
  ),
  row('pread 4 of BAR1 (I/O ports)', 'pci-testdev', '4, value 0', async (s) =>
    readAnswer(await (await s.about(SECOND_GROUP, SECOND_DEVICE).deviceOpen()).read(1, 0, 4)),
  ),
  row('pwrite 1 of BAR1 (I/O ports)', 'pci-testdev', '1', async (s) =>
    String(await (await s.about(SECOND_GROUP, SECOND_DEVICE).deviceOpen()).write(1, 0, Uint8Array.of(1))),
  ),
  row('mmap BAR1 (I/O ports)', 'pci-testdev', 'MAP_FAILED EINVAL', (s) =>
    mapped(s.about(SECOND_GROUP, SECOND_DEVICE), 1, 0n, 256),
  ),
  leftOut(
    'pread 4 of ROM',
    'pci-testdev',
    '4, value 0xee40aa55',
    'the software testdev has other sizes and another ROM than pci-testdev; its own numbers are in device-more.test.ts',
  ),
  row('mmap ROM', 'read-only region, flags READ only', 'MAP_FAILED EINVAL', (s) =>
    mapped(s.about(SECOND_GROUP, SECOND_DEVICE), 6, 0n, 2048),
  ),
  leftOut(
    'DEVICE_GET_INFO',
    'nvme',
    '0, flags 0x3',
    "no software model of an NVMe controller; what the row is about is a row of testdev's, or the guest's",
  ),
  leftOut(
    'GET_REGION_INFO index 0, argsz=sizeof (32)',
    'nvme (MSI-X table in BAR0)',
    '0, flags 0xf size 0x4000 cap_offset 0 argsz out 40',
    "no software model of an NVMe controller; what the row is about is a row of testdev's, or the guest's",
  ),
  leftOut(
    'pread 8 at BAR0+0 (CAP)',
    'nvme',
    '8, value 0x4008200f0107ff',
    "no software model of an NVMe controller; what the row is about is a row of testdev's, or the guest's",
  ),
  leftOut(
    'pwrite 4 at BAR0+0x2000 (MSI-X table)',
    'nvme',
    '4',
    "no software model of an NVMe controller; what the row is about is a row of testdev's, or the guest's",
  ),
  leftOut(
    'pread 4 config+0x100 (extended)',
    'nvme, 4096-byte config',
    '4',
    "no software model of an NVMe controller; what the row is about is a row of testdev's, or the guest's",
  ),
  leftOut(
    'VFIO_DEVICE_RESET',
    'nvme',
    '0',
    "no software model of an NVMe controller; what the row is about is a row of testdev's, or the guest's",
  ),
  leftOut(
    'DEVICE_GET_INFO',
    'e1000e on pcie.0',
    '0, flags 0x3 (RESET=1, PCI=2)',
    'no software model of an e1000e; reset is tested on testdev in device-more.test.ts',
  ),
  leftOut(
    'VFIO_DEVICE_RESET',
    'e1000e on pcie.0',
    '0',
    'no software model of an e1000e; reset is tested on testdev in device-more.test.ts',
  ),
]);
