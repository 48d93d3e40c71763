import assert from 'node:assert/strict';
import { linuxKernel } from '../../../../lib/kernel/linux.js';
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
  VFIO_PCI_NUM_IRQS,
  VFIO_PCI_NUM_REGIONS,
  VFIO_PCI_ROM_REGION_INDEX,
  VFIO_REGION_INFO_FLAG_MMAP,
  VFIO_REGION_INFO_FLAG_READ,
  VFIO_REGION_INFO_FLAG_WRITE,
  VFIO_TYPE1v2_IOMMU,
} from '../../../../lib/uapi/vfio.js';
import { OPTION_ROM_SIZE, optionRom } from '../../backing.js';
import { BDF } from '../../devices.js';
import { bind, restore } from '../../support/binding.js';
import { EDU, EDU_IDENTIFICATION } from '../../support/edu.js';
import { groupName } from '../../support/sysfs.js';

const MIB = 1 << 20;
/** The bits of the command register that let a function answer memory accesses and be a bus master. */
const COMMAND = 0x04;
const COMMAND_MEMORY_AND_MASTER = 0x06;

describe('the real kernel through the seam', () => {
  const kernel = linuxKernel();
  let container: Fd;
  let group: Fd;
  let device: Fd;

  async function open(bdf: string): Promise<void> {
    await bind(bdf);
    container = await kernel.openContainer();
    group = await kernel.openGroup(groupName(bdf));
    await kernel.setContainer(group, container);
    await kernel.setIommu(container, VFIO_TYPE1v2_IOMMU);
    device = await kernel.getDeviceFd(group, bdf);
  }

  async function close(bdf: string): Promise<void> {
    for (const fd of [device, group, container]) await kernel.close(fd);
    await restore(bdf);
  }

  describe('with edu', () => {
    before(() => open(BDF.edu));
    after(() => close(BDF.edu));

    /** Reads a 32-bit register of BAR 0. */
    async function read32(register: number): Promise<number> {
      const { offset } = kernel.getRegionInfo(device, VFIO_PCI_BAR0_REGION_INDEX);
      return Buffer.from(await kernel.pread(device, offset + BigInt(register), 4)).readUInt32LE();
    }

    async function write(register: number, value: bigint, length: 4 | 8 = 4): Promise<void> {
      const { offset } = kernel.getRegionInfo(device, VFIO_PCI_BAR0_REGION_INDEX);
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(value);
      const written = await kernel.pwrite(device, offset + BigInt(register), bytes.subarray(0, length));
      assert.equal(written, length);
    }

    async function enableBusMaster(): Promise<void> {
      const { offset } = kernel.getRegionInfo(device, VFIO_PCI_CONFIG_REGION_INDEX);
      await kernel.pwrite(device, offset + BigInt(COMMAND), Uint8Array.of(COMMAND_MEMORY_AND_MASTER, 0));
    }

    /** Starts a transfer of edu's and waits for its end. */
    async function transfer(source: bigint, destination: bigint, count: bigint, command: bigint): Promise<void> {
      await write(EDU.dmaSource, source, 8);
      await write(EDU.dmaDestination, destination, 8);
      await write(EDU.dmaCount, count, 8);
      await write(EDU.dmaCommand, command, 8);
      const end = Date.now() + 10_000;
      while (((await read32(EDU.dmaCommand)) & EDU.dmaRun) !== 0) {
        assert.ok(Date.now() < end, 'the transfer does not end');
      }
    }

    it('gives the version, the status of the group and what the IOMMU can do', () => {
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

    it('describes the device and its regions', () => {
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
      assert.equal(await read32(EDU.identification), EDU_IDENTIFICATION);
      const { offset } = kernel.getRegionInfo(device, VFIO_PCI_BAR0_REGION_INDEX);
      const mapping = await kernel.mmap(device, offset, MIB, { read: true, write: true });
      const registers = new Int32Array(addon.mappingView(mapping));
      assert.equal(Atomics.load(registers, EDU.identification / 4), EDU_IDENTIFICATION);
      Atomics.store(registers, EDU.liveness / 4, 0x12345678);
      assert.equal(Atomics.load(registers, EDU.liveness / 4), ~0x12345678);
      // The view keeps the memory mapped, and with it the device open, until it is collected: revoked, it holds neither.
      addon.mappingRevoke(mapping);
      addon.mappingClose(mapping);
    });

    it('carries DMA both ways through a mapping of the IOMMU, and none without', async () => {
      await enableBusMaster();
      const memory = new Uint8Array(addon.memoryAllocate(8192));
      const vaddr = addon.bufferAddress(memory, 0);
      const iova = 0x100000n;
      const flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE;
      await kernel.mapDma(container, { flags, vaddr, iova, size: 8192n });
      memory.fill(0x5a, 0, 256);
      await transfer(iova, EDU.dmaBuffer, 256n, EDU.toDevice);
      await transfer(EDU.dmaBuffer, iova + 4096n, 256n, EDU.toMemory);
      assert.deepEqual([...memory.subarray(4096, 4096 + 257)], [...Array<number>(256).fill(0x5a), 0]);

      assert.equal((await kernel.unmapDma(container, { flags: 0, iova, size: 8192n })).size, 8192n);
      memory.fill(0, 4096);
      await transfer(EDU.dmaBuffer, iova + 4096n, 256n, EDU.toMemory);
      assert.ok(memory.subarray(4096).every((byte) => byte === 0));
    });

    it('signals MSI through an eventfd', async () => {
      await enableBusMaster();
      const eventfd = addon.eventfdCreate();
      const flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
      await kernel.setIrqs(device, { flags, index: VFIO_PCI_MSI_IRQ_INDEX, start: 0, count: 1, eventfds: [eventfd] });
      await write(EDU.raiseInterrupt, 0x42n);
      assert.equal(addon.eventfdWait(eventfd, 10_000), 1);
      assert.equal(await read32(EDU.interruptStatus), 0x42);
      await write(EDU.acknowledgeInterrupt, 0x42n);
      assert.equal(await read32(EDU.interruptStatus), 0);
      addon.closeFdSync(eventfd);
    });

    it('answers with the errno of the call that failed', async () => {
      await assert.rejects(kernel.openGroup(groupName(BDF.edu)), { code: 'EBUSY' });
      await assert.rejects(kernel.unsetContainer(group), { code: 'EBUSY' });
      await assert.rejects(kernel.getDeviceFd(group, BDF.nvme), { code: 'ENODEV' });
      await assert.rejects(kernel.setIommu(container, VFIO_TYPE1v2_IOMMU), { code: 'EINVAL' });
      const { flags } = kernel.getDeviceInfo(device);
      if ((flags & VFIO_DEVICE_FLAGS_RESET) === 0) await assert.rejects(kernel.resetDevice(device), { code: 'EINVAL' });
    });
  });

  describe('with pci-testdev', () => {
    before(() => open(BDF.testdev));
    after(() => close(BDF.testdev));

    it('reads the option ROM', async () => {
      const { offset, size } = kernel.getRegionInfo(device, VFIO_PCI_ROM_REGION_INDEX);
      assert.equal(size, BigInt(OPTION_ROM_SIZE));
      const rom = await kernel.pread(device, offset, OPTION_ROM_SIZE);
      assert.deepEqual(Buffer.from(rom), Buffer.from(optionRom()));
    });
  });

  it('refuses a container to a group with a function that another driver has', async () => {
    await bind(BDF.blockedEdu);
    const file = await kernel.openContainer();
    const blocked = await kernel.openGroup(groupName(BDF.blockedEdu));
    assert.equal(kernel.getGroupStatus(blocked).flags & VFIO_GROUP_FLAGS_VIABLE, 0);
    await assert.rejects(kernel.setContainer(blocked, file), { code: 'EPERM' });
    for (const fd of [blocked, file]) await kernel.close(fd);
    await restore(BDF.blockedEdu);
  });
});
