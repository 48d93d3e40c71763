import assert from 'node:assert/strict';

import { VfioError } from '../../lib/base/errors.js';
import { walkCapabilities, walkExtendedCapabilities } from '../../lib/config-space/capabilities.js';
import type { Fd, VfioKernel } from '../../lib/kernel/kernel.js';
import * as pci from '../../lib/uapi/pci.js';
import { VFIO_PCI_ROM_REGION_INDEX } from '../../lib/uapi/vfio.js';
import {
  describeBlockAnswers,
  describeIntxAnswers,
  describeMsiAnswers,
  describeMsixAnswers,
} from './interrupt-answers.js';
import { type ConfigSubject, failsWith, OpenConfig } from './open-config.js';

/** The capabilities that tests are about. */
export type Tested = 'express' | 'intx' | 'msi' | 'msix' | 'power';

/**
 * How vfio-pci shows the config space of any function. Source: drivers/vfio/pci/vfio_pci_config.c (6.12)
 * @param has the capabilities of the function
 */
export function describeConfigAnswers(
  name: string,
  has: readonly Tested[],
  subject: () => Promise<ConfigSubject>,
): void {
  describe(`the config space of ${name}`, () => {
    let opened: ConfigSubject;
    let config: OpenConfig;
    before(async () => {
      opened = await subject();
    });
    beforeEach(async () => {
      config = await OpenConfig.open(opened);
    });
    afterEach(() => config.close());
    after(() => opened.close());

    describeHeader(() => config);
    describeBars(() => config);
    if (has.includes('express')) describeExpress(() => config);
    if (has.includes('power')) describePower(() => config);
    if (has.includes('msi')) describeMsiAnswers(() => config);
    if (has.includes('intx')) describeIntxAnswers(() => config);
    if (has.includes('msix')) describeMsixAnswers(() => config);
    if (has.includes('msix')) describeBlockAnswers(() => config);

    it('gives each user the values of the device', async () => {
      const fields = [pci.PCI_INTERRUPT_LINE, pci.PCI_BASE_ADDRESS_0, pci.PCI_COMMAND] as const;
      const before = await Promise.all(fields.map((at) => config.field(at, 1)));
      for (const at of fields) await config.set(at, 1, 0xe7);
      await config.close();
      config = await OpenConfig.open(opened);
      assert.deepEqual(await Promise.all(fields.map((at) => config.field(at, 1))), before);
    });
  });
}

function describeHeader(config: () => OpenConfig): void {
  it('drops writes to the IDs, the class, the links and the interrupt pin', async () => {
    const { size } = config();
    const fixed: [number, number][] = [
      [pci.PCI_VENDOR_ID, 4],
      [pci.PCI_CLASS_REVISION, 4],
      [pci.PCI_SUBSYSTEM_VENDOR_ID, 4],
      [pci.PCI_CAPABILITY_LIST, 1],
      [pci.PCI_INTERRUPT_PIN, 1],
    ];
    const bytes = await config().bytes(0, size);
    for (const { offset } of walkCapabilities(bytes)) fixed.push([offset, 2]);
    for (const { offset } of walkExtendedCapabilities(bytes)) fixed.push([offset, 4]);
    for (const [at, width] of fixed) {
      const before = await config().field(at, width);
      assert.equal(await config().tried(at, width, ~before), before, `at 0x${at.toString(16)}`);
    }
  });

  it('keeps the interrupt line and the INTx disable bit', async () => {
    assert.equal(await config().tried(pci.PCI_INTERRUPT_LINE, 1, 0x5a), 0x5a);
    const disable = pci.PCI_COMMAND_INTX_DISABLE;
    const command = await config().field(pci.PCI_COMMAND, 2);
    assert.equal(await config().tried(pci.PCI_COMMAND, 2, command | disable), command | disable);
    assert.equal(await config().tried(pci.PCI_COMMAND + 1, 1, (command | disable) >> 8), (command | disable) >> 8);
    assert.equal(await config().field(pci.PCI_COMMAND, 2), command);
  });

  it('reads the same bytes by any width at any place', async () => {
    const whole = await config().bytes(0, config().size);
    // The status register can change: an interrupt may be pending.
    for (let at = 8; at < 0x60; at += 1) {
      for (const length of [1, 2, 3, 4, 5, 7, 8]) {
        assert.deepEqual(await config().bytes(at, length), whole.subarray(at, at + length), `${length} at ${at}`);
      }
    }
  });

  it('has no byte behind its end', async () => {
    const { size } = config();
    assert.equal((await config().bytes(size - 1, 1)).length, 1);
    for (const [at, length] of [
      [size, 1],
      [size - 1, 2],
      [size - 3, 4],
    ] as const) {
      await failsWith(config().bytes(at, length), 'EFAULT');
      await failsWith(config().set(at, length, 0), 'EFAULT');
    }
  });
}

function describeBars(config: () => OpenConfig): void {
  it('sizes BARs and the ROM by writes of ones, and leaves the device where it is', async () => {
    const { kernel, device } = config();
    for (let index = 0; index <= VFIO_PCI_ROM_REGION_INDEX; index += 1) {
      const rom = index === VFIO_PCI_ROM_REGION_INDEX;
      const at = rom ? pci.PCI_ROM_ADDRESS : pci.PCI_BASE_ADDRESS_0 + 4 * index;
      const before = await config().field(at, 4);
      const io = !rom && (before & pci.PCI_BASE_ADDRESS_SPACE_IO) !== 0;
      const wide = !rom && !io && (before & pci.PCI_BASE_ADDRESS_MEM_TYPE_64) !== 0;
      const sized = await config().tried(at, 4, 0xffff_ffff);
      assert.equal(await config().field(at, 4), before);
      const size = sizeOf(kernel, device, index);
      if (size === 0n) {
        // A ROM that cannot be read has no region, and still a register.
        if (!rom) assert.equal(sized, 0, `BAR${index}`);
        continue;
      }
      const kind = rom ? 1 : io ? pci.PCI_BASE_ADDRESS_SPACE_IO : before & 0xf;
      const mask = BigInt.asUintN(64, -size) | BigInt(kind);
      assert.equal(BigInt(sized), BigInt.asUintN(32, mask), `BAR${index}`);
      if (!wide) continue;
      assert.equal(BigInt(await config().tried(at + 4, 4, 0xffff_ffff)), mask >> 32n, `the upper half of BAR${index}`);
      index += 1;
    }
  });

  it('reads no memory while memory decoding is off', async () => {
    const { kernel, device } = config();
    const command = await config().field(pci.PCI_COMMAND, 2);
    const rom = sizeOf(kernel, device, VFIO_PCI_ROM_REGION_INDEX) > 0n;
    const bar = [0, 1, 2, 3, 4, 5].find((index) => sizeOf(kernel, device, index) > 0n) ?? 0;
    const { offset } = kernel.getRegionInfo(device, bar);
    await config().set(pci.PCI_COMMAND, 2, command & ~pci.PCI_COMMAND_MEMORY);
    await failsWith(kernel.pread(device, offset, 4), 'EIO');
    await failsWith(kernel.pwrite(device, offset, new Uint8Array(4)), 'EIO');
    if (rom) {
      await failsWith(
        kernel.pread(device, kernel.getRegionInfo(device, VFIO_PCI_ROM_REGION_INDEX).offset, 4),
        'ENOMEM',
      );
    }
    await config().set(pci.PCI_COMMAND, 2, command | pci.PCI_COMMAND_MEMORY);
    assert.equal((await kernel.pread(device, offset, 4)).length, 4);
  });
}

function describeExpress(config: () => OpenConfig): void {
  it('keeps the largest payload from the device, and reads the reset bit as 0', async () => {
    const express = await config().capability(pci.PCI_CAP_ID_EXP);
    const at = express + pci.PCI_EXP_DEVCTL;
    const control = await config().field(at, 2);
    const payload = 0x00e0;
    assert.equal(await config().tried(at, 2, (control & ~payload) | 0x0040), (control & ~payload) | 0x0040);
    await config().set(at, 2, control | pci.PCI_EXP_DEVCTL_BCR_FLR);
    assert.equal(await config().field(at, 2), control);
  });
}

function describePower(config: () => OpenConfig): void {
  it('clears the support of power management events', async () => {
    const power = await config().capability(pci.PCI_CAP_ID_PM);
    assert.equal((await config().field(power + 2, 2)) & 0xf800, 0);
    assert.equal((await config().tried(power + pci.PCI_PM_CTRL, 2, 0x8100)) & 0x8100, 0);
  });
}

function sizeOf(kernel: VfioKernel, device: Fd, index: number): bigint {
  try {
    return kernel.getRegionInfo(device, index).size;
  } catch (error) {
    if (error instanceof VfioError && error.code === 'EINVAL') return 0n;
    throw error;
  }
}
