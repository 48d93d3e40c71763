import { hex, leftOut, row, table, zero } from './table.js';
import {
  ALL,
  dmaReady,
  inaccessiblePage,
  infoWithCapabilities,
  map,
  mapBar,
  mapFile,
  mapping,
  mapThenRelease,
  MEMORY,
  now,
  READ,
  failedUnmap,
  still,
  throughBuffer,
  unmapped,
  unmapping,
  WRITE,
  writeAfterUnmap,
  writeTo,
} from './dma-steps.js';
import { MAPPABLE, SECOND_DEVICE, SECOND_GROUP, twoDevices } from './worlds.js';

table('DMA mapping (type1v2 unless stated)', twoDevices, [
  row(
    'IOMMU_GET_INFO argsz=sizeof',
    'IOMMU set',
    '0, flags 0x3 pgsizes 0x40201000 cap_offset 0 argsz out 120',
    async (s) => {
      await s.iommuSet();
      const { flags, pageSizes, iovaRanges, argsz } = s.kernel.getIommuInfo(s.container, 24);
      return `0, flags ${hex(flags)} pgsizes ${hex(pageSizes)} cap_offset ${iovaRanges === undefined ? 0 : 'given'} argsz out ${argsz}`;
    },
  ),
  row(
    'IOMMU_GET_INFO argsz=4096',
    'IOMMU set',
    '0, argsz out 4096, caps: id 2 v1 id 3 v1 dma_avail 65535 id 1 v1 [0-0xfedfffff] [0xfef00000-0xffffffffffff]',
    async (s) => infoWithCapabilities((await s.iommuSet()).kernel.getIommuInfo(s.container, 4096)),
  ),
  row('MAP_DMA argsz=16', '-', '-1 EINVAL', (s) => mapping(s, { argsz: 16 })),
  leftOut('MAP_DMA NULL', '-', '-1 EFAULT', 'the typed interface has no NULL pointer'),
  row('MAP_DMA flags=0', '-', '-1 EINVAL', (s) => mapping(s, { flags: 0 })),
  row('MAP_DMA flags=0x80+3 (unknown)', '-', '-1 EINVAL', (s) => mapping(s, { flags: 0x83 })),
  row('MAP_DMA flags=VADDR+READ', '-', '-1 EINVAL', (s) => mapping(s, { flags: 5 })),
  row('MAP_DMA flags=VADDR', 'nothing mapped', '-1 ENOENT', (s) => mapping(s, { flags: 4 })),
  row('MAP_DMA size=0', '-', '-1 EINVAL', (s) => mapping(s, { size: 0n })),
  row('MAP_DMA size=100', '-', '-1 EINVAL', (s) => mapping(s, { size: 100n })),
  row('MAP_DMA iova=0x800', '-', '-1 EINVAL', (s) => mapping(s, { iova: 0x800n })),
  row('MAP_DMA vaddr+1', '-', '-1 EINVAL', (s) => mapping(s, { vaddr: MEMORY + 1n })),
  row('MAP_DMA iova=2^64-4096 size=4096', 'outside the iova ranges', '-1 EINVAL', (s) =>
    mapping(s, { iova: (1n << 64n) - 4096n }),
  ),
  row('MAP_DMA vaddr=2^64-4096 size=8192 (wraps)', '-', '-1 EINVAL', (s) =>
    mapping(s, { vaddr: (1n << 64n) - 4096n, size: 8192n }),
  ),
  row('MAP_DMA iova=0xfee00000', 'MSI reserved range', '-1 EINVAL', (s) => mapping(s, { iova: 0xfee00000n })),
  row('MAP_DMA iova=2^48', 'above the address width', '-1 EINVAL', (s) => mapping(s, { iova: 1n << 48n })),
  row('MAP_DMA iova=2^47', 'see ranges above', '0', (s) => mapping(s, { iova: 1n << 47n })),
  row('MAP_DMA vaddr=0', 'not mapped memory', '-1 EFAULT', (s) => mapping(s, { vaddr: 0n })),
  row('UNMAP_DMA of that iova', 'after the failed map', '0, size out 0', async (s) => {
    await mapping(s, { vaddr: 0n }).catch(() => undefined);
    return unmapped(s, {});
  }),
  row('MAP_DMA of a PROT_NONE page', '-', '-1 EFAULT', async (s) => {
    await s.iommuSet();
    return map(s, { vaddr: inaccessiblePage() });
  }),
  row('MAP_DMA READ of a PROT_READ page', '-', '0', async (s) => {
    await s.iommuSet();
    return mapFile(s, READ);
  }),
  row('MAP_DMA 16 KiB at 0x10000', 'free', '0', (s) => mapping(s, { size: 0x4000n })),
  row('MAP_DMA same again', 'mapped', '-1 EEXIST', async (s) => {
    await mapping(s, { size: 0x4000n });
    return map(s, { size: 0x4000n });
  }),
  row('MAP_DMA 4 KiB inside it', 'mapped', '-1 EEXIST', async (s) => {
    await mapping(s, { size: 0x4000n });
    return map(s, { iova: 0x11000n });
  }),
  row('MAP_DMA overlapping its end', 'mapped', '-1 EEXIST', async (s) => {
    await mapping(s, { size: 0x4000n });
    return map(s, { iova: 0x13000n, size: 0x2000n });
  }),
  row('MAP_DMA adjacent (0x14000)', 'mapped', '0', async (s) => {
    await mapping(s, { size: 0x4000n });
    return map(s, { iova: 0x14000n });
  }),
  row('UNMAP_DMA first 4 KiB of a 16 KiB mapping', 'v2', '-1 EINVAL, size out 0x1000', async (s) => {
    await mapping(s, { size: 0x4000n });
    return failedUnmap(s, {});
  }),
  row('UNMAP_DMA middle 4 KiB of it', 'v2', '-1 EINVAL, size out 0x1000', async (s) => {
    await mapping(s, { size: 0x4000n });
    return failedUnmap(s, { iova: 0x11000n });
  }),
  row(
    'UNMAP_DMA range: one whole mapping (4 KiB at 0x14000) and half of the next one before it',
    'v2',
    '-1 EINVAL, size out 0x3000',
    async (s) => {
      await mapping(s, { size: 0x4000n });
      await map(s, { iova: 0x14000n });
      return failedUnmap(s, { iova: 0x12000n, size: 0x3000n });
    },
  ),
  row('UNMAP_DMA the same again', 'nothing mapped there', '0, size out 0', (s) => unmapping(s, {})),
  row('UNMAP_DMA argsz=8', '-', '-1 EINVAL', (s) => unmapping(s, { argsz: 8 })),
  row('UNMAP_DMA size=0', '-', '-1 EINVAL', (s) => unmapping(s, { size: 0n })),
  row('UNMAP_DMA size=100', '-', '-1 EINVAL', (s) => unmapping(s, { size: 100n })),
  row('UNMAP_DMA iova unaligned', '-', '-1 EINVAL', (s) => unmapping(s, { iova: 0x10800n })),
  row('UNMAP_DMA wraps', '-', '-1 EINVAL', (s) => unmapping(s, { iova: (1n << 64n) - 4096n, size: 8192n })),
  row('UNMAP_DMA iova=0 size=2^64-4096', 'one 16 KiB mapping', '0, size out 0x4000', async (s) => {
    await mapping(s, { size: 0x4000n });
    return unmapped(s, { iova: 0n, size: (1n << 64n) - 4096n });
  }),
  row('UNMAP_DMA flags=0x80', '-', '-1 EINVAL', (s) => unmapping(s, { flags: 0x80 })),
  row('UNMAP_DMA flag GET_DIRTY_BITMAP', 'no bitmap given', '-1 EINVAL', (s) => unmapping(s, { flags: 1 })),
  row('UNMAP_DMA flag ALL, iova=4096', '-', '-1 EINVAL', (s) => unmapping(s, { flags: 2, iova: 4096n, size: 0n })),
  row('UNMAP_DMA flag ALL, iova=0 size=0', 'one 16 KiB mapping', '0, size out 0x4000', async (s) => {
    await mapping(s, { size: 0x4000n });
    return unmapped(s, ALL);
  }),
  row('UNMAP_DMA flag ALL', 'nothing mapped', '0, size out 0', (s) => unmapping(s, ALL)),
  row('MAP_DMA of an mmap-ed BAR', '-', '0', async (s) => {
    await s.about(MAPPABLE.group, MAPPABLE.device).deviceOpen();
    return mapBar(s);
  }),
  row('munmap of DMA-mapped memory, then UNMAP_DMA', '-', '0, size out 0x1000', async (s) => {
    await s.iommuSet();
    return mapThenRelease(s);
  }),
  row('PCI command register', 'after GET_DEVICE_FD', '0x103 (bus master off, memory on)', async (s) => {
    await s.about(SECOND_GROUP, SECOND_DEVICE).deviceOpen();
    return hex((await s.register(7, 4)) & 0xffff);
  }),
  row('edu DMA read then write through READ+WRITE mappings', 'bus master off', 'target now "zzzzzzz"', async (s) =>
    throughBuffer(await dmaReady(s, { busMaster: false }), 'payload', 'zzzzzzz'),
  ),
  row('edu DMA read then write through READ+WRITE mappings', 'bus master on', 'target now "payload"', async (s) =>
    throughBuffer(await dmaReady(s), 'payload', 'zzzzzzz'),
  ),
  row(
    'edu DMA write to a READ-only mapping',
    'bus master on',
    'target still "rrrrrrr" (dropped; DMAR fault in dmesg)',
    async (s) => still(await writeTo(await dmaReady(s), 'rrrrrrr', READ)),
  ),
  row('edu DMA write to a WRITE-only mapping', 'bus master on', 'target now "payload"', async (s) =>
    now(await writeTo(await dmaReady(s), 'zzzzzzz', WRITE)),
  ),
  leftOut(
    'edu DMA read from a WRITE-only mapping, copied out',
    'bus master on',
    'got bytes 6e 65 "newdata"',
    "QEMU's IOMMU lets a read through a write-only mapping pass; the software IOMMU rejects it, as an access that no mapping allows (see below)",
  ),
  row('edu DMA write after UNMAP_DMA', 'bus master on', 'target still "zzzzzzz"', async (s) =>
    still(await writeAfterUnmap(await dmaReady(s))),
  ),
  leftOut(
    'open(/dev/vfio/N)',
    'all fds closed but the BAR still mmap-ed',
    '-1 EBUSY',
    "a mapping of a BAR is the addon's: the core does not see it go",
  ),
  leftOut(
    'edu DMA read from a WRITE-only mapping (first access), copied out',
    'fresh container',
    'got 7365 "secret!" ("initial" = read refused and buffer kept, "secret!" = read allowed)',
    "QEMU's IOMMU lets a read through a write-only mapping pass; the software IOMMU rejects it, as an access that no mapping allows (see below)",
  ),
  row('MAP_DMA RW of a MAP_SHARED memfd', '-', '0', async (s) => {
    await s.iommuSet();
    return mapFile(s);
  }),
  leftOut(
    'MAP_DMA RW of a MAP_PRIVATE file mapping',
    '-',
    '0',
    'the addon maps files shared alone, and Node.js has no mmap of its own',
  ),
  row('TYPE1 (v1): MAP_DMA 16 KiB', 'SET_IOMMU 1', '0', async (s) => {
    await s.iommuSet(1);
    return map(s, { size: 0x4000n });
  }),
  row('TYPE1 (v1): UNMAP_DMA of the middle 4 KiB', '16 KiB mapped', '0, size out 0', async (s) => {
    await s.iommuSet(1);
    await map(s, { size: 0x4000n });
    return unmapped(s, { iova: 0x11000n });
  }),
  row('TYPE1 (v1): UNMAP_DMA of the rest', 'after that', '0, size out 0', async (s) => {
    await s.iommuSet(1);
    await map(s, { size: 0x4000n });
    await unmapped(s, { iova: 0x11000n });
    return unmapped(s, { iova: 0x12000n, size: 0x2000n });
  }),
  row('TYPE1 (v1): UNMAP_DMA flag ALL', '-', '0', async (s) => {
    await s.iommuSet(1);
    await map(s, { size: 0x4000n });
    return zero(s.kernel.unmapDma(s.container, ALL));
  }),
  row('MAP_DMA 1 MiB', 'RLIMIT_MEMLOCK 64 KiB, root with CAP_IPC_LOCK', '0', async (s) => {
    s.kernel = s.process({ memlockLimit: 65536 });
    await s.iommuSet();
    return map(s, { size: 1n << 20n });
  }),
  row('MAP_DMA 1 MiB', 'RLIMIT_MEMLOCK 64 KiB, CAP_IPC_LOCK dropped', '-1 ENOMEM', async (s) => {
    s.kernel = s.process({ memlockLimit: 65536, capIpcLock: false });
    await s.iommuSet();
    return map(s, { size: 1n << 20n });
  }),
  row('MAP_DMA another 48 KiB', '32 of 64 KiB used', '-1 ENOMEM', async (s) => {
    s.kernel = s.process({ memlockLimit: 65536, capIpcLock: false });
    await s.iommuSet();
    await map(s, { size: 0x8000n });
    return map(s, { iova: 0x100000n, size: 0xc000n });
  }),
]);
