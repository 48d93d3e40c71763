import assert from 'node:assert/strict';
import type { Fd, IrqSet } from '../../../../lib/kernel/kernel.js';
import { addon } from '../../../../lib/native/addon.js';
import { EDU_IDENT, EDU_REG } from '../../../../lib/models/edu/registers.js';
import { BDF } from '../../devices.js';
import { answers } from '../../support/answer-rows.js';
import { countOf, RealDevice, valueOf } from '../../support/real-device.js';
import { whileBound } from '../../support/binding.js';

const MIB = 1 << 20;
const CONFIG = 7;
const [MSI, MSIX, ERR] = [1, 2, 3];
/** Data types and actions of SET_IRQS. */
const [NONE, BOOL, EVENTFD, MASK, TRIGGER] = [1, 2, 4, 8, 32];

/** The kernel's answers to the calls of a device, in the order in which they were recorded. */
describe('the answers of the real kernel: device', () => {
  const edu = new RealDevice(BDF.edu);
  const { kernel } = edu;
  const value = async (region: number, at: number, length: number): Promise<bigint> =>
    valueOf(await edu.read(region, at, length));
  const length = async (region: number, at: number, bytes: number): Promise<number> =>
    (await edu.read(region, at, bytes)).length;
  const region = (index: number, argsz?: number): string => {
    const { flags, size, offset } = kernel.getRegionInfo(edu.device, index, argsz);
    return `flags 0x${flags.toString(16)} size 0x${size.toString(16)} offset 0x${offset.toString(16)}`;
  };
  const mapBar0 = async (offset: number, bytes: number): Promise<void> => {
    const prot = { read: true, write: true };
    addon.mappingClose(await kernel.mmap(edu.device, edu.offset(0) + BigInt(offset), bytes, prot));
  };

  before(() => edu.openDevice());
  after(() => edu.close());

  describe('infos', () => {
    answers([
      ['GET_INFO argsz=8', 'EINVAL', () => kernel.getDeviceInfo(edu.device, 8).flags],
      ['GET_REGION_INFO argsz=16', 'EINVAL', () => region(0, 16)],
      ['GET_REGION_INFO 0', 'flags 0x7 size 0x100000 offset 0x0', () => region(0)],
      ['GET_REGION_INFO 1', 'flags 0x0 size 0x0 offset 0x10000000000', () => region(1)],
      ['GET_REGION_INFO 6', 'flags 0x0 size 0x0 offset 0x60000000000', () => region(6)],
      ['GET_REGION_INFO 7', 'flags 0x3 size 0x100 offset 0x70000000000', () => region(7)],
      ['GET_REGION_INFO 8', 'EINVAL', () => region(8)],
      ['GET_REGION_INFO 9', 'EINVAL', () => region(9)],
      ['GET_IRQ_INFO argsz=8', 'EINVAL', () => kernel.getIrqInfo(edu.device, 0, 8).count],
      ['GET_IRQ_INFO MSI', '9', () => kernel.getIrqInfo(edu.device, MSI).flags],
      ['GET_IRQ_INFO ERR', 'EINVAL', () => kernel.getIrqInfo(edu.device, ERR).flags],
    ]);
  });

  describe('pread, pwrite, mmap', () => {
    answers([
      ['pread 4 at BAR0+0', `0x${EDU_IDENT.toString(16)}`, () => value(0, 0, 4)],
      ['pread 8 at BAR0+0x80', '8', () => length(0, 0x80, 8)],
      ['pread 0 bytes', '0', () => length(0, 0, 0)],
      ['pread 4096 at BAR0+0x40000', '0x1000', () => length(0, 0x40000, 4096)],
      ['pread 8 at the last dword of BAR0', '4', () => length(0, MIB - 4, 8)],
      ['pread 4 past the end of BAR0', 'EINVAL', () => length(0, MIB, 4)],
      ['pwrite 4 past the end of BAR0', 'EINVAL', () => edu.write32(0, MIB, 0)],
      ['pread 4 of BAR1', 'EINVAL', () => length(1, 0, 4)],
      ['pread 4 of the ROM', 'EINVAL', () => length(6, 0, 4)],
      ['pread 4 of region 9', 'EINVAL', () => kernel.pread(edu.device, 9n << 40n, 4).then(String)],
      ['pread 4 at -1', 'EINVAL', () => kernel.pread(edu.device, -1n, 4).then(String)],
      ['pread 4 of config', '0x11e81234', () => value(CONFIG, 0, 4)],
      ['pwrite 4 of config past the end', 'EFAULT', () => edu.write32(CONFIG, 0x100, 0)],
      ['pread 256 of config', '0x100', () => length(CONFIG, 0, 256)],
      ['mmap BAR0', '0', () => mapBar0(0, MIB)],
      ['mmap BAR0 length 100', '0', () => mapBar0(0, 100)],
      ['mmap BAR0 length 0', 'EINVAL', () => mapBar0(0, 0)],
      ['mmap beyond the end', 'EINVAL', () => mapBar0(0, MIB + 4096)],
      ['mmap from the end', 'EINVAL', () => mapBar0(MIB, 4096)],
    ]);
  });

  describe('SET_IRQS', () => {
    let first: Fd;
    let second: Fd;
    before(() => {
      first = addon.eventfdCreate();
      second = addon.eventfdCreate();
    });
    after(() => [first, second].forEach((fd) => addon.closeFdSync(fd)));
    const set = (change: Partial<IrqSet>): Promise<void> =>
      kernel.setIrqs(edu.device, { flags: EVENTFD | TRIGGER, index: MSI, start: 0, count: 1, ...change });
    const disable = (): Promise<void> => set({ flags: NONE | TRIGGER, count: 0 });
    const raise = async (): Promise<number> => {
      await edu.setCommand(6);
      await edu.write32(0, EDU_REG.IRQ_RAISE, 1);
      const count = countOf(second);
      await edu.write32(0, EDU_REG.IRQ_ACK, 1);
      return count;
    };
    answers([
      ['argsz=8', 'EINVAL', () => set({ argsz: 8, eventfds: [first] })],
      ['flags=0', 'EINVAL', () => set({ flags: 0 })],
      ['two data types', 'EINVAL', () => set({ flags: EVENTFD | NONE | TRIGGER, eventfds: [first] })],
      ['unknown flag', 'EINVAL', () => set({ flags: EVENTFD | TRIGGER | 0x100, eventfds: [first] })],
      ['index 5', 'EINVAL', () => set({ index: 5, eventfds: [first] })],
      ['start=1', 'EINVAL', () => set({ start: 1, eventfds: [first] })],
      ['count=2^32-1 start=1', 'EINVAL', () => set({ start: 1, count: 0xffff_ffff })],
      ['without data', 'EINVAL', () => set({})],
      ['MSI-X of a device without', 'EINVAL', () => set({ index: MSIX, eventfds: [first] })],
      ['EVENTFD count=0', 'ERANGE', () => set({ count: 0, eventfds: [] })],
      ['disable while off', 'EINVAL', disable],
      ['eventfd 9999', 'EBADF', () => set({ eventfds: [9999] })],
      ['an eventfd', '0', () => set({ eventfds: [first] })],
      ['another in its place', '0', () => set({ eventfds: [second] })],
      ['loopback', '0', () => set({ flags: NONE | TRIGGER })],
      ['the count of the first', '0', () => addon.eventfdRead(first)],
      ['the count of the other', '1', () => addon.eventfdRead(second)],
      ['BOOL {1}', '0', () => set({ flags: BOOL | TRIGGER, bools: Uint8Array.of(1) })],
      ['the count then', '1', () => addon.eventfdRead(second)],
      ['MASK of MSI', 'ENOTTY', () => set({ flags: NONE | MASK })],
      ['INTx while MSI is on', 'EINVAL', () => set({ index: 0, eventfds: [first] })],
      ['edu raises its MSI', '1', raise],
      ['disable', '0', disable],
    ]);
  });

  describe('operations that only the real kernel has', () => {
    let eventfd: Fd;
    before(() => {
      eventfd = addon.eventfdCreate();
    });
    after(() => addon.closeFdSync(eventfd));
    const pair = (fd: Fd, regionIndex = 0): Promise<void> => {
      const fileOffset = edu.offset(regionIndex) + 4n;
      return kernel.setIoeventfd(edu.device, { fileOffset, width: 4, data: 0xabcdn, eventfd: fd });
    };
    answers([
      ['GET_PCI_HOT_RESET_INFO on the root bus', 'ENODEV', () => kernel.getHotResetInfo(edu.device).flags],
      ['PCI_HOT_RESET with its group', 'ENODEV', () => kernel.hotReset(edu.device, [edu.group])],
      ['PCI_HOT_RESET without a group', 'EINVAL', () => kernel.hotReset(edu.device, [])],
      ['FEATURE PROBE LOW_POWER_EXIT', 'true', () => String(kernel.hasFeature(edu.device, 5))],
      ['FEATURE PROBE MIGRATION', 'false', () => String(kernel.hasFeature(edu.device, 1))],
      ['FEATURE GET MIGRATION', 'ENOTTY', () => kernel.getFeature(edu.device, 1, new Uint8Array(8)).then(String)],
      ['IOEVENTFD at BAR0+4', '0', () => pair(eventfd)],
      ['IOEVENTFD again', 'EEXIST', () => pair(eventfd)],
      ['a write to the eventfd', '0', () => addon.eventfdWrite(eventfd, 1)],
      ['pread of BAR0+4', '0xffff5432', () => value(0, EDU_REG.LIVENESS, 4)],
      ['IOEVENTFD taken away', '0', () => pair(-1)],
      ['IOEVENTFD taken away again', 'ENODEV', () => pair(-1)],
      ['IOEVENTFD in config', 'EINVAL', () => pair(eventfd, CONFIG)],
    ]);
  });

  it('lists the devices of a bus, and resets them if the caller owns them all', async () => {
    const bridged = new RealDevice(BDF.bridgedEdu);
    await bridged.openDevice();
    try {
      const { devices } = kernel.getHotResetInfo(bridged.device);
      const slots = devices.filter(({ bus }) => bus === 2).map(({ devfn }) => devfn >> 3);
      assert.deepEqual(slots, [1, 2]);
      // The other function has no driver: nothing keeps a driver from taking it meanwhile.
      await assert.rejects(kernel.hotReset(bridged.device, [bridged.group]), { code: 'EINVAL' });
      await whileBound([BDF.bridgedTestdev], () => kernel.hotReset(bridged.device, [bridged.group]));
    } finally {
      await bridged.close();
    }
  });
});
