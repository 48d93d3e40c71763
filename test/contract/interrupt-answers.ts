import assert from 'node:assert/strict';

import type { Fd } from '../../lib/kernel/kernel.js';
import * as pci from '../../lib/uapi/pci.js';
import {
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_IRQ_SET_DATA_NONE,
  VFIO_PCI_MSI_IRQ_INDEX,
  VFIO_PCI_MSIX_IRQ_INDEX,
} from '../../lib/uapi/vfio.js';
import type { OpenConfig } from './config-answers.js';

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
