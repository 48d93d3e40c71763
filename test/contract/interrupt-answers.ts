import assert from 'node:assert/strict';
import { openSync } from 'node:fs';

import type { Fd, IrqSet } from '../../lib/kernel/kernel.js';
import { addon } from '../../lib/native/addon.js';
import * as pci from '../../lib/uapi/pci.js';
import {
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_ACTION_UNMASK,
  VFIO_IRQ_SET_DATA_BOOL,
  VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_IRQ_SET_DATA_NONE,
  VFIO_PCI_INTX_IRQ_INDEX,
  VFIO_PCI_MSI_IRQ_INDEX,
  VFIO_PCI_MSIX_IRQ_INDEX,
} from '../../lib/uapi/vfio.js';
import { failsWith, type OpenConfig } from './open-config.js';

/** The MSI-X table of a function, where the user reaches it through the region. */
interface Table {
  readonly flagsAt: number;
  readonly vectors: number;
  /** The offset in the device's file. */
  readonly fileOffset: bigint;
}

/** How vfio-pci shows MSI: SET_IRQS alone turns it on. Source: drivers/vfio/pci/vfio_pci_config.c (6.12) */
export function describeMsiAnswers(config: () => OpenConfig): void {
  it('has MSI enabled by SET_IRQS alone, for as many vectors as it set up', async () => {
    const msi = await config().capability(pci.PCI_CAP_ID_MSI);
    const at = msi + pci.PCI_MSI_FLAGS;
    const flags = await config().field(at, 2);
    const changed = pci.PCI_MSI_FLAGS_ENABLE | pci.PCI_MSI_FLAGS_QSIZE;
    const set = async (value: number): Promise<number> => {
      await config().set(at, 2, (flags & ~changed) | value);
      return (await config().field(at, 2)) & changed;
    };
    assert.equal(await set(changed), 0, 'before SET_IRQS');
    await enable(config(), VFIO_PCI_MSI_IRQ_INDEX);
    assert.equal((await config().field(at, 2)) & changed, 0, 'the copy does not change');
    assert.equal(await set(changed), pci.PCI_MSI_FLAGS_ENABLE, 'one vector');
    await disable(config(), VFIO_PCI_MSI_IRQ_INDEX);
    assert.equal((await config().field(at, 2)) & changed, pci.PCI_MSI_FLAGS_ENABLE, 'the copy does not change');
    assert.equal(await set(changed), 0, 'after SET_IRQS');
  });

  it('keeps address and data of MSI, which the device does not get', async () => {
    const msi = await config().capability(pci.PCI_CAP_ID_MSI);
    const wide = ((await config().field(msi + pci.PCI_MSI_FLAGS, 2)) & pci.PCI_MSI_FLAGS_64BIT) !== 0;
    assert.equal(await config().tried(msi + pci.PCI_MSI_ADDRESS_LO, 4, 0xfee0_1003), 0xfee0_1003);
    if (wide) assert.equal(await config().tried(msi + pci.PCI_MSI_ADDRESS_HI, 4, 0x1234_5678), 0x1234_5678);
    assert.equal(await config().tried(msi + (wide ? pci.PCI_MSI_DATA_64 : 8), 2, 0x4321), 0x4321);
  });
}

/** How SET_IRQS sets up INTx. Source: drivers/vfio/pci/vfio_pci_intrs.c (6.12) */
export function describeIntxAnswers(config: () => OpenConfig): void {
  const intx = (flags: number, rest: Partial<IrqSet> = {}): Promise<void> =>
    config().kernel.setIrqs(config().device, { flags, index: VFIO_PCI_INTX_IRQ_INDEX, start: 0, count: 1, ...rest });

  it('takes one eventfd that unmasks: a second one is EBUSY', async () => {
    const unmask = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK;
    await enable(config(), VFIO_PCI_INTX_IRQ_INDEX);
    await intx(unmask, { eventfds: [config().eventfd] });
    await failsWith(intx(unmask, { eventfds: [config().eventfd] }), 'EBUSY');
    await intx(unmask, { eventfds: [-1] });
    await intx(unmask, { eventfds: [config().eventfd] });
    await disable(config(), VFIO_PCI_INTX_IRQ_INDEX);
  });

  it('takes every byte but 0 for true, and signals nothing while INTx is disabled', async () => {
    const bool = VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER;
    const { eventfd } = config();
    await enable(config(), VFIO_PCI_INTX_IRQ_INDEX);
    addon.eventfdRead(eventfd);
    const command = await config().field(pci.PCI_COMMAND, 2);
    for (const [byte, count] of [
      [0, 0],
      [1, 1],
      [2, 1],
      [0xff, 1],
    ] as const) {
      await intx(bool, { bools: Uint8Array.of(byte) });
      assert.equal(addon.eventfdRead(eventfd), count, `byte ${byte}`);
    }
    await config().set(pci.PCI_COMMAND, 2, command | pci.PCI_COMMAND_INTX_DISABLE);
    await intx(bool, { bools: Uint8Array.of(1) });
    assert.equal(addon.eventfdRead(eventfd), 0);
    await disable(config(), VFIO_PCI_INTX_IRQ_INDEX);
  });
}

/** How vfio-pci shows MSI-X: SET_IRQS alone turns it on. Source: vfio_pci_config.c, vfio_pci_rdwr.c (6.12) */
export function describeMsixAnswers(config: () => OpenConfig): void {
  it('drops writes to MSI-X in config space, and shows what SET_IRQS did', async () => {
    const table = await tableOf(config());
    const { flagsAt } = table;
    const both = pci.PCI_MSIX_FLAGS_ENABLE | pci.PCI_MSIX_FLAGS_MASKALL;
    const flags = await config().field(flagsAt, 2);
    assert.equal(flags & pci.PCI_MSIX_FLAGS_ENABLE, 0);
    assert.equal(await config().tried(flagsAt, 2, flags | both), flags);
    await enable(config(), VFIO_PCI_MSIX_IRQ_INDEX);
    const enabled = await config().field(flagsAt, 2);
    assert.equal(enabled & both, pci.PCI_MSIX_FLAGS_ENABLE);
    assert.equal(await config().tried(flagsAt, 2, enabled | both), enabled);
    await disable(config(), VFIO_PCI_MSIX_IRQ_INDEX);
    assert.equal((await config().field(flagsAt, 2)) & pci.PCI_MSIX_FLAGS_ENABLE, 0);
  });

  it('hides the MSI-X table: it reads as ones and drops writes, with decoding off too', async () => {
    const table = await tableOf(config());
    const { kernel, device } = config();
    const length = table.vectors * pci.PCI_MSIX_ENTRY_SIZE;
    const ones = new Uint8Array(length).fill(0xff);
    const read = (): Promise<Uint8Array> => kernel.pread(device, table.fileOffset, length);
    assert.deepEqual(await read(), ones);
    assert.equal(await kernel.pwrite(device, table.fileOffset, new Uint8Array(length)), length);
    assert.deepEqual(await read(), ones);
    // One byte before or after belongs to the device.
    const around = await kernel.pread(device, table.fileOffset, length + 4);
    assert.deepEqual(around.subarray(0, length), ones);
    const command = await config().field(pci.PCI_COMMAND, 2);
    await config().set(pci.PCI_COMMAND, 2, command & ~pci.PCI_COMMAND_MEMORY);
    assert.deepEqual(await read(), ones);
    await config().set(pci.PCI_COMMAND, 2, command);
  });
}

/** How SET_IRQS sets up several vectors. Source: vfio_msi_set_block */
export function describeBlockAnswers(config: () => OpenConfig): void {
  it('keeps the vectors behind a bad descriptor, and takes the others away', async () => {
    const { kernel, device } = config();
    const fds = Array.from({ length: 3 }, () => addon.eventfdCreate());
    const file = openSync('/dev/null', 'r');
    const set = (flags: number, eventfds?: readonly Fd[], count = 3): Promise<void> => {
      const all = { flags, index: VFIO_PCI_MSIX_IRQ_INDEX, start: 0, count };
      return kernel.setIrqs(device, eventfds === undefined ? all : { ...all, eventfds });
    };
    const assign = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
    const signalled = async (): Promise<number[]> => {
      await set(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER);
      return fds.map((fd) => addon.eventfdRead(fd));
    };
    try {
      await set(assign, fds);
      assert.deepEqual(await signalled(), [1, 1, 1]);
      await failsWith(set(assign, [fds[0] ?? -1, file, fds[2] ?? -1]), 'EINVAL');
      assert.deepEqual(await signalled(), [0, 0, 1]);
      await failsWith(set(assign, [fds[0] ?? -1, fds[1] ?? -1, 9999]), 'EBADF');
      assert.deepEqual(await signalled(), [0, 0, 0]);
      await set(assign, fds);
      assert.deepEqual(await signalled(), [1, 1, 1]);
      await disable(config(), VFIO_PCI_MSIX_IRQ_INDEX);
    } finally {
      for (const fd of [...fds, file]) addon.closeFdSync(fd);
    }
  });
}

async function tableOf(config: OpenConfig): Promise<Table> {
  const msix = await config.capability(pci.PCI_CAP_ID_MSIX);
  const place = await config.field(msix + pci.PCI_MSIX_TABLE, 4);
  const flagsAt = msix + pci.PCI_MSIX_FLAGS;
  const vectors = ((await config.field(flagsAt, 2)) & 0x7ff) + 1;
  const { offset } = config.kernel.getRegionInfo(config.device, place & 7);
  return { flagsAt, vectors, fileOffset: offset + BigInt(place & ~7) };
}

function enable(config: OpenConfig, index: number): Promise<void> {
  const flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
  const eventfds: Fd[] = [config.eventfd];
  return config.kernel.setIrqs(config.device, { flags, index, start: 0, count: 1, eventfds });
}

function disable(config: OpenConfig, index: number): Promise<void> {
  const flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
  return config.kernel.setIrqs(config.device, { flags, index, start: 0, count: 0 });
}
