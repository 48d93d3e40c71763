import assert from 'node:assert/strict';

import { addon } from '../../../lib/native/addon.js';
import { fileOffset, type Scenario } from './scenario.js';
import { answerOf, hex, leftOut, readAnswer, row, table, zero } from './table.js';
import { MAPPABLE, PCI_TESTDEV, SECOND_DEVICE, SECOND_GROUP, twoDevices } from './worlds.js';

/** Bytes of edu's BAR0. */
const SIZE = 1 << 20;

async function regionInfo(s: Scenario, index: number): Promise<string> {
  await s.deviceOpen();
  const { flags, size, offset } = s.kernel.getRegionInfo(s.device, index);
  const place = s.deviceName === PCI_TESTDEV.device ? '' : ` offset ${hex(offset)}`;
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

/** Restores the register of BAR0. A close does not restore it. */
async function sized(s: Scenario, body: () => Promise<string>): Promise<string> {
  const before = await s.register(7, 0x10);
  try {
    return await body();
  } finally {
    await s.write(7, 0x10, before);
  }
}

async function deviceInfo(s: Scenario): Promise<string> {
  await s.deviceOpen();
  return `0, flags ${hex(s.kernel.getDeviceInfo(s.device).flags)}`;
}

async function mapped(s: Scenario, index: number, offset: bigint, length: number): Promise<string> {
  await s.deviceOpen();
  return mapping(s, index, offset, length);
}

async function mapping(s: Scenario, index = 0, offset = 0n, length = 4096): Promise<string> {
  const answer = await answerOf(async () => {
    const handle = await s.kernel.mmap(s.device, fileOffset(index, offset), length, { read: true, write: true });
    addon.mappingClose(handle);
    return 'ok';
  });
  return answer.replace('-1', 'MAP_FAILED');
}

async function view(s: Scenario): Promise<Uint32Array> {
  const handle = await s.kernel.mmap(s.device, 0n, 4096, { read: true, write: true });
  s.cleanUp(() => addon.mappingClose(handle));
  return new Uint32Array(addon.mappingView(handle));
}

/** Checks that a value stored through one side can be loaded through the other. */
async function loadAndStore(s: Scenario): Promise<string> {
  const words = await view(s);
  words[1] = 0x1234_5678;
  assert.equal(await s.register(0, 4), 0x1234_5678);
  return `ok, value ${hex(words[0] ?? 0)}`;
}

async function decodeOffAndOn(s: Scenario): Promise<string> {
  const words = await view(s);
  for (const command of [0, 2]) await s.write(7, 4, Uint8Array.of(command, 1));
  return `ok, value ${hex(words[0] ?? 0)}`;
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
  row('GET_REGION_INFO index 0', 'edu', '0, flags 0x7 size 0x100000 offset 0', (s) =>
    regionInfo(s.about(MAPPABLE.group, MAPPABLE.device), 0),
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
  row('mmap BAR0 whole, RW, SHARED', 'edu', 'ok', (s) => mapped(s.about(MAPPABLE.group, MAPPABLE.device), 0, 0n, SIZE)),
  leftOut('mmap BAR0 MAP_PRIVATE', 'edu', 'MAP_FAILED EINVAL', 'the interface maps shared alone'),
  row('mmap BAR0 size + 4096', 'beyond the end', 'MAP_FAILED EINVAL', (s) =>
    mapped(s.about(MAPPABLE.group, MAPPABLE.device), 0, 0n, SIZE + 4096),
  ),
  row('mmap BAR0 last page + 4096 more', 'beyond the end', 'MAP_FAILED EINVAL', (s) =>
    mapped(s.about(MAPPABLE.group, MAPPABLE.device), 0, BigInt(SIZE - 4096), 8192),
  ),
  row('mmap at BAR0 + size', 'beyond the end', 'MAP_FAILED EINVAL', (s) =>
    mapped(s.about(MAPPABLE.group, MAPPABLE.device), 0, BigInt(SIZE), 4096),
  ),
  row('mmap BAR0 length 100', 'edu', 'ok', (s) => mapped(s.about(MAPPABLE.group, MAPPABLE.device), 0, 0n, 100)),
  row('mmap BAR0 length 0', 'edu', 'MAP_FAILED EINVAL', (s) =>
    mapped(s.about(MAPPABLE.group, MAPPABLE.device), 0, 0n, 0),
  ),
  row('mmap region 9', 'no such region', 'MAP_FAILED EINVAL', (s) =>
    mapped(s.about(MAPPABLE.group, MAPPABLE.device), 9, 0n, 4096),
  ),
  row('32-bit load/store through the mapping', 'edu', 'ok, value 0x10000ed', async (s) =>
    loadAndStore(await s.about(MAPPABLE.group, MAPPABLE.device).deviceOpen()),
  ),
  leftOut(
    'load through the mapping',
    'memory decode off',
    'signal SIGBUS',
    'the fault is handled, on both kernels: test/contract/virtualized-ways.ts',
  ),
  row('pwrite 4 BAR0', 'memory decode off', '-1 EIO', async (s) => {
    await s.deviceOpen();
    await s.write(7, 4, Uint8Array.of(0, 1));
    return String(await s.write(0, 4, 0));
  }),
  row('mmap BAR0', 'memory decode off', 'ok', async (s) => {
    await s.about(MAPPABLE.group, MAPPABLE.device).deviceOpen();
    await s.write(7, 4, Uint8Array.of(0, 1));
    return mapping(s);
  }),
  row('load through the same mapping', 'memory decode on again', 'ok, value 0x10000ed', async (s) =>
    decodeOffAndOn(await s.about(MAPPABLE.group, MAPPABLE.device).deviceOpen()),
  ),
  row('read edu reg 4', 'written 0x12345678 before close', '0xedcba987', async (s) => {
    await s.deviceOpen();
    await s.write(0, 4, 0x12345678);
    await s.kernel.close(s.device);
    s.device = await s.kernel.getDeviceFd(s.group, s.deviceName);
    return hex(await s.register(0, 4));
  }),
  row('GET_REGION_INFO index 0', 'pci-testdev with a ROM; BAR1 is I/O ports', '0, flags 0x7 size 0x1000', (s) =>
    regionInfo(s.about(PCI_TESTDEV.group, PCI_TESTDEV.device), 0),
  ),
  row('GET_REGION_INFO index 1', 'pci-testdev with a ROM; BAR1 is I/O ports', '0, flags 0x3 size 0x100', (s) =>
    regionInfo(s.about(PCI_TESTDEV.group, PCI_TESTDEV.device), 1),
  ),
  row('GET_REGION_INFO index 6', 'pci-testdev with a ROM; BAR1 is I/O ports', '0, flags 0x1 size 0x8000', (s) =>
    regionInfo(s.about(PCI_TESTDEV.group, PCI_TESTDEV.device), 6),
  ),
  row('GET_REGION_INFO index 7', 'pci-testdev with a ROM; BAR1 is I/O ports', '0, flags 0x3 size 0x100', (s) =>
    regionInfo(s.about(PCI_TESTDEV.group, PCI_TESTDEV.device), 7),
  ),
  row('pread 4 of BAR1 (I/O ports)', 'pci-testdev', '4, value 0', async (s) =>
    readAnswer(await (await s.about(PCI_TESTDEV.group, PCI_TESTDEV.device).deviceOpen()).read(1, 0, 4)),
  ),
  row('pwrite 1 of BAR1 (I/O ports)', 'pci-testdev', '1', async (s) =>
    String(await (await s.about(PCI_TESTDEV.group, PCI_TESTDEV.device).deviceOpen()).write(1, 0, Uint8Array.of(1))),
  ),
  row('mmap BAR1 (I/O ports)', 'pci-testdev', 'MAP_FAILED EINVAL', (s) =>
    mapped(s.about(PCI_TESTDEV.group, PCI_TESTDEV.device), 1, 0n, 256),
  ),
  row('pread 4 of ROM', 'pci-testdev', '4, value 0xee40aa55', async (s) =>
    readAnswer(await (await s.about(PCI_TESTDEV.group, PCI_TESTDEV.device).deviceOpen()).read(6, 0, 4)),
  ),
  row('mmap ROM', 'read-only region, flags READ only', 'MAP_FAILED EINVAL', (s) =>
    mapped(s.about(PCI_TESTDEV.group, PCI_TESTDEV.device), 6, 0n, 0x8000),
  ),
  row('DEVICE_GET_INFO', 'nvme', '0, flags 0x3', (s) => deviceInfo(s.about(SECOND_GROUP, SECOND_DEVICE))),
  leftOut(
    'GET_REGION_INFO index 0, argsz=sizeof (32)',
    'nvme (MSI-X table in BAR0)',
    '0, flags 0xf size 0x4000 cap_offset 0 argsz out 40',
    'the MSI-X table of a model is in a BAR that cannot be mapped, so that there is no capability to report',
  ),
  leftOut(
    'pread 8 at BAR0+0 (CAP)',
    'nvme',
    '8, value 0x4008200f0107ff',
    'no software model of an NVMe controller, whose register this is',
  ),
  row('pwrite 4 at BAR0+0x2000 (MSI-X table)', 'nvme', '4', async (s) =>
    String(await (await s.about(SECOND_GROUP, SECOND_DEVICE).deviceOpen()).write(4, 0, 0)),
  ),
  row('pread 4 config+0x100 (extended)', 'nvme, 4096-byte config', '4', async (s) =>
    count(await (await s.about(SECOND_GROUP, SECOND_DEVICE).deviceOpen()).read(7, 0x100, 4)),
  ),
  row('VFIO_DEVICE_RESET', 'nvme', '0', async (s) =>
    zero((await s.about(SECOND_GROUP, SECOND_DEVICE).deviceOpen()).kernel.resetDevice(s.device)),
  ),
  row('DEVICE_GET_INFO', 'e1000e on pcie.0', '0, flags 0x3 (RESET=1, PCI=2)', (s) =>
    deviceInfo(s.about(SECOND_GROUP, SECOND_DEVICE)),
  ),
  row('VFIO_DEVICE_RESET', 'e1000e on pcie.0', '0', async (s) =>
    zero((await s.about(SECOND_GROUP, SECOND_DEVICE).deviceOpen()).kernel.resetDevice(s.device)),
  ),
]);
