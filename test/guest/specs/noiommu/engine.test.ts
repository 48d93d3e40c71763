import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import type { Engine } from '../../../../lib/engine/engine.js';
import { VFIO_PCI_MSI_IRQ_INDEX } from '../../../../lib/uapi/vfio.js';
import { EDU_IDENT, EDU_REG } from '../../../../lib/models/edu/registers.js';
import { BDF } from '../../devices.js';
import { linuxEngine } from '../../support/engine.js';
import { bind, restore } from '../../support/binding.js';
import { groupOf } from '../../support/sysfs.js';

const run = promisify(execFile);
const MEMLOCK_CHILD = fileURLToPath(new URL('../../support/memlock-child.js', import.meta.url));

describe('a device without an IOMMU, attached by the engine', () => {
  let engine: Engine;

  before(async () => {
    await bind(BDF.edu);
    engine = linuxEngine();
  });
  after(async () => {
    await engine.close();
    await restore(BDF.edu);
  });

  it('works by its regions, config space and interrupts', async () => {
    const device = await engine.attach(BDF.edu);
    assert.deepEqual([device.backend, device.groupId], ['container', String(groupOf(BDF.edu))]);
    assert.equal(await device.region(0).read32(EDU_REG.IDENT), EDU_IDENT);
    assert.equal((await device.config.header()).vendorId, 0x1234);
    await device.config.setBusMaster(true);
    const msi = device.irq(VFIO_PCI_MSI_IRQ_INDEX);
    await msi.enable();
    await device.region(0).write32(EDU_REG.IRQ_RAISE, 1);
    assert.equal(await msi.next(0, { timeoutMs: 10_000 }), 1);
    await device.detach();
  });

  it('has no address space, and says so', async () => {
    const device = await engine.attach(BDF.edu);
    assert.throws(() => device.dma, {
      code: 'ERR_NOT_SUPPORTED',
      message: /without an IOMMU has no address space .*turn the IOMMU on/,
    });
    await device.detach();
  });

  it('is refused to who may not touch the hardware', async () => {
    const child = [process.execPath, MEMLOCK_CHILD, BDF.edu, 'container'];
    const { stdout } = await run('setpriv', ['--bounding-set=-sys_rawio', ...child]);
    const { container } = JSON.parse(stdout) as { container: { code: string; message: string } };
    const { code, message } = container;
    assert.equal(code, 'EPERM', message);
    assert.match(message, /CAP_SYS_RAWIO/);
  });
});
