import assert from 'node:assert/strict';
import { linuxKernel } from '../../../../lib/kernel/linux/linux.js';
import type { Fd } from '../../../../lib/kernel/kernel.js';
import { addon } from '../../../../lib/native/addon.js';
import {
  VFIO_API_VERSION,
  VFIO_DEVICE_FLAGS_PCI,
  VFIO_DEVICE_FLAGS_RESET,
  VFIO_DMA_MAP_FLAG_READ,
  VFIO_DMA_MAP_FLAG_WRITE,
  VFIO_GROUP_FLAGS_CONTAINER_SET,
  VFIO_GROUP_FLAGS_VIABLE,
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_PCI_BAR0_REGION_INDEX,
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_PCI_MSI_IRQ_INDEX,
  VFIO_PCI_MSIX_IRQ_INDEX,
  VFIO_PCI_NUM_IRQS,
  VFIO_PCI_NUM_REGIONS,
  VFIO_PCI_ROM_REGION_INDEX,
  VFIO_REGION_INFO_FLAG_MMAP,
  VFIO_REGION_INFO_FLAG_READ,
  VFIO_REGION_INFO_FLAG_WRITE,
  VFIO_TYPE1v2_IOMMU,
} from '../../../../lib/uapi/vfio.js';
import { EDU_BUFFER, EDU_DMA, EDU_IDENT, EDU_REG } from '../../../../lib/models/edu/registers.js';
import { OPTION_ROM_SIZE, optionRom } from '../../backing.js';
import { BDF, IVSHMEM_SIZE } from '../../devices.js';
import { bind, restore, whileBound } from '../../support/binding.js';
import { whileMapped } from '../../support/mapped.js';
import { openDevice, readRegion, writeRegion, type OpenDevice } from '../../support/open-device.js';
import { groupName } from '../../support/sysfs.js';
import { allocateShared } from '../../../support/allocate-shared.js';

const MIB = 1 << 20;
/** The bits of the command register that let a function answer memory accesses and be a bus master. */
const COMMAND = 0x04;
const COMMAND_MEMORY_AND_MASTER = 0x06;

describe('linuxKernel', () => {
  const kernel = linuxKernel();

  describe('with edu', () => {
    let open: OpenDevice;
    let container: Fd;
    let group: Fd;
    let device: Fd;

    before(async () => {
      await bind(BDF.edu);
      open = await openDevice(kernel, BDF.edu);
      ({ container, group, device } = open);
    });
    after(async () => {
      await open.close();
      await restore(BDF.edu);
    });

    /** Reads a 32-bit register of BAR 0. */
    async function read32(register: number): Promise<number> {
      return (await readRegion(kernel, device, VFIO_PCI_BAR0_REGION_INDEX, register, 4)).readUInt32LE();
    }

    async function write(register: number, value: bigint, length: 4 | 8 = 4): Promise<void> {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(value);
      await writeRegion(kernel, device, VFIO_PCI_BAR0_REGION_INDEX, register, bytes.subarray(0, length));
    }

    async function enableBusMaster(): Promise<void> {
      const command = Uint8Array.of(COMMAND_MEMORY_AND_MASTER, 0);
      await writeRegion(kernel, device, VFIO_PCI_CONFIG_REGION_INDEX, COMMAND, command);
    }

    /** Starts a transfer of edu's and waits for its end. */
    async function transfer(source: bigint, destination: bigint, count: bigint, command: bigint): Promise<void> {
      await write(EDU_REG.DMA_SOURCE, source, 8);
      await write(EDU_REG.DMA_TARGET, destination, 8);
      await write(EDU_REG.DMA_COUNT, count, 8);
      await write(EDU_REG.DMA_COMMAND, command, 8);
      const end = Date.now() + 10_000;
      while (((await read32(EDU_REG.DMA_COMMAND)) & EDU_DMA.RUN) !== 0) {
        assert.ok(Date.now() < end, 'the transfer does not end');
      }
    }

    it('returns the version, the status of the group and the capabilities of the IOMMU', () => {
      assert.equal(kernel.getApiVersion(container), VFIO_API_VERSION);
      assert.equal(kernel.checkExtension(container, VFIO_TYPE1v2_IOMMU), 1);
      const { flags } = kernel.getGroupStatus(group);
      assert.equal(flags, VFIO_GROUP_FLAGS_VIABLE | VFIO_GROUP_FLAGS_CONTAINER_SET);
      const info = kernel.getIommuInfo(container);
      assert.ok((info.pageSizes & 4096n) !== 0n);
      assert.ok((info.dmaAvailable ?? 0) > 0);
      assert.equal(info.iovaRanges?.[0]?.start, 0n);
      assert.equal(info.iovaRanges?.[0]?.last, 0xfedfffffn);
    });

    it('returns the infos of the device and its regions', () => {
      const info = kernel.getDeviceInfo(device);
      assert.equal(info.flags & VFIO_DEVICE_FLAGS_PCI, VFIO_DEVICE_FLAGS_PCI);
      assert.equal(info.numRegions, VFIO_PCI_NUM_REGIONS);
      assert.equal(info.numIrqs, VFIO_PCI_NUM_IRQS);
      const bar0 = kernel.getRegionInfo(device, VFIO_PCI_BAR0_REGION_INDEX);
      assert.equal(bar0.size, BigInt(MIB));
      assert.equal(bar0.flags, VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE | VFIO_REGION_INFO_FLAG_MMAP);
      assert.equal(kernel.getIrqInfo(device, VFIO_PCI_MSI_IRQ_INDEX).count, 1);
    });

    it('reads BAR 0 by pread and through a mapping', async () => {
      assert.equal(await read32(EDU_REG.IDENT), EDU_IDENT);
      await whileMapped(kernel, device, VFIO_PCI_BAR0_REGION_INDEX, MIB, (view) => {
        const registers = new Int32Array(view);
        assert.equal(Atomics.load(registers, EDU_REG.IDENT / 4), EDU_IDENT);
        Atomics.store(registers, EDU_REG.LIVENESS / 4, 0x12345678);
        assert.equal(Atomics.load(registers, EDU_REG.LIVENESS / 4), ~0x12345678);
      });
    });

    it('carries DMA both ways through a mapping, and none without', async () => {
      await enableBusMaster();
      const memory = new Uint8Array(allocateShared(8192));
      const vaddr = addon.bufferAddress(memory, 0);
      const iova = 0x100000n;
      const flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE;
      await kernel.mapDma(container, { flags, vaddr, iova, size: 8192n });
      memory.fill(0x5a, 0, 256);
      await transfer(iova, BigInt(EDU_BUFFER.START), 256n, BigInt(EDU_DMA.RUN));
      await transfer(BigInt(EDU_BUFFER.START), iova + 4096n, 256n, BigInt(EDU_DMA.RUN | EDU_DMA.TO_MEMORY));
      assert.deepEqual([...memory.subarray(4096, 4096 + 257)], [...Array<number>(256).fill(0x5a), 0]);

      assert.equal((await kernel.unmapDma(container, { flags: 0, iova, size: 8192n })).size, 8192n);
      memory.fill(0, 4096);
      await transfer(BigInt(EDU_BUFFER.START), iova + 4096n, 256n, BigInt(EDU_DMA.RUN | EDU_DMA.TO_MEMORY));
      assert.ok(memory.subarray(4096).every((byte) => byte === 0));
    });

    it('signals MSI through an eventfd', async () => {
      await enableBusMaster();
      const eventfd = addon.eventfdCreate();
      const flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
      await kernel.setIrqs(device, { flags, index: VFIO_PCI_MSI_IRQ_INDEX, start: 0, count: 1, eventfds: [eventfd] });
      await write(EDU_REG.IRQ_RAISE, 0x42n);
      assert.equal(addon.eventfdWait(eventfd, 10_000), 1);
      assert.equal(await read32(EDU_REG.IRQ_STATUS), 0x42);
      await write(EDU_REG.IRQ_ACK, 0x42n);
      assert.equal(await read32(EDU_REG.IRQ_STATUS), 0);
      addon.closeFdSync(eventfd);
    });

    it('rejects with the errno of the failed call', async () => {
      await assert.rejects(kernel.openGroup(groupName(BDF.edu)), { code: 'EBUSY' });
      await assert.rejects(kernel.unsetContainer(group), { code: 'EBUSY' });
      await assert.rejects(kernel.getDeviceFd(group, BDF.nvme), { code: 'ENODEV' });
      await assert.rejects(kernel.setIommu(container, VFIO_TYPE1v2_IOMMU), { code: 'EINVAL' });
      const { flags } = kernel.getDeviceInfo(device);
      if ((flags & VFIO_DEVICE_FLAGS_RESET) === 0) await assert.rejects(kernel.resetDevice(device), { code: 'EINVAL' });
    });
  });

  it('reads the option ROM of pci-testdev', async () => {
    await whileBound([BDF.testdev], async () => {
      const { device, close } = await openDevice(kernel, BDF.testdev);
      assert.equal(kernel.getRegionInfo(device, VFIO_PCI_ROM_REGION_INDEX).size, BigInt(OPTION_ROM_SIZE));
      const rom = await readRegion(kernel, device, VFIO_PCI_ROM_REGION_INDEX, 0, OPTION_ROM_SIZE);
      assert.deepEqual(rom, Buffer.from(optionRom()));
      await close();
    });
  });

  it('opens a function behind the root port, and an nvme', async () => {
    await whileBound([BDF.e1000e, BDF.nvme], async () => {
      for (const [bdf, vendor] of [
        [BDF.e1000e, 0x8086],
        [BDF.nvme, 0x1b36],
      ] as const) {
        const { device, close } = await openDevice(kernel, bdf);
        assert.equal((await readRegion(kernel, device, VFIO_PCI_CONFIG_REGION_INDEX, 0, 2)).readUInt16LE(), vendor);
        assert.ok(kernel.getIrqInfo(device, VFIO_PCI_MSIX_IRQ_INDEX).count > 1);
        if (bdf === BDF.nvme) {
          const capabilities = await readRegion(kernel, device, VFIO_PCI_BAR0_REGION_INDEX, 0, 8);
          assert.equal((capabilities.readBigUInt64LE() >> 37n) & 1n, 1n);
        }
        await close();
      }
    });
  });

  it('maps plain memory as BAR 2 of ivshmem', async () => {
    await whileBound([BDF.ivshmem], async () => {
      const { device, close } = await openDevice(kernel, BDF.ivshmem);
      assert.equal(kernel.getRegionInfo(device, 2).size, BigInt(IVSHMEM_SIZE));
      await whileMapped(kernel, device, 2, IVSHMEM_SIZE, async (view) => {
        new Uint8Array(view).set([1, 2, 3, 4], 0x12344);
        assert.deepEqual([...(await readRegion(kernel, device, 2, 0x12344, 4))], [1, 2, 3, 4]);
      });
      await close();
    });
  });

  it('rejects a container for a group with a function of another driver', async () => {
    await bind(BDF.blockedEdu);
    const file = await kernel.openContainer();
    const blocked = await kernel.openGroup(groupName(BDF.blockedEdu));
    assert.equal(kernel.getGroupStatus(blocked).flags & VFIO_GROUP_FLAGS_VIABLE, 0);
    await assert.rejects(kernel.setContainer(blocked, file), { code: 'EPERM' });
    for (const fd of [blocked, file]) await kernel.close(fd);
    await restore(BDF.blockedEdu);
  });
});
