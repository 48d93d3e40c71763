import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { bindDriver, restoreDriver } from '../../../../lib/sysfs/binding.js';
import { type InventoryEntry, listDevices } from '../../../../lib/sysfs/inventory.js';
import type { VfioError } from '../../../../lib/base/errors.js';
import { BDF } from '../../devices.js';
import { bind, restore, unbind, whileBound } from '../../support/binding.js';
import { eventually } from '../../support/eventually.js';
import { driverOf, groupName, groupOf } from '../../support/sysfs.js';

describe('the guest: binding to vfio-pci', () => {
  it('binds edu by driver_override, which makes its group node, and unbinds it again', async () => {
    const path = `/dev/vfio/${groupName(BDF.edu)}`;
    assert.equal(driverOf(BDF.edu), undefined);
    assert.equal(existsSync(path), false);
    await bind(BDF.edu);
    assert.equal(driverOf(BDF.edu), 'vfio-pci');
    assert.equal(existsSync(path), true);
    await unbind(BDF.edu);
    assert.equal(driverOf(BDF.edu), undefined);
    assert.equal(existsSync(path), false);
  });

  it('gives a bound function a device node for iommufd', async () => {
    await whileBound([BDF.edu], () => {
      assert.ok(existsSync(`/sys/bus/pci/devices/${BDF.edu}/vfio-dev`));
      assert.ok(existsSync('/dev/vfio/devices/vfio0'));
    });
  });

  it('takes a function from its driver and returns it', async () => {
    assert.equal(driverOf(BDF.blocker), 'virtio-pci');
    await bind(BDF.blocker);
    assert.equal(driverOf(BDF.blocker), 'vfio-pci');
    await restore(BDF.blocker);
    assert.equal(driverOf(BDF.blocker), 'virtio-pci');
  });

  it('keeps one group node for two functions until the last is unbound', async () => {
    const path = `/dev/vfio/${groupName(BDF.pairEdu)}`;
    await bind(BDF.pairEdu);
    await bind(BDF.pairTestdev);
    assert.equal(groupOf(BDF.pairEdu), groupOf(BDF.pairTestdev));
    await unbind(BDF.pairEdu);
    assert.equal(existsSync(path), true);
    await unbind(BDF.pairTestdev);
    assert.equal(existsSync(path), false);
  });

  it('names the function that makes a group not viable, until its driver is taken away', async () => {
    const entryOf = async (bdf: string): Promise<Partial<InventoryEntry>> => {
      const entries = await listDevices();
      const { driver, viable, blocker } = entries.find(({ device }) => device === bdf) ?? {};
      return { driver, viable, blocker };
    };
    const blocker = { device: BDF.blocker, driver: 'virtio-pci' };
    await bind(BDF.blockedEdu);
    assert.deepEqual(await entryOf(BDF.blockedEdu), { driver: 'vfio-pci', viable: false, blocker });
    await bind(BDF.blocker);
    assert.deepEqual(await entryOf(BDF.blockedEdu), { driver: 'vfio-pci', viable: true, blocker: null });
    await restore(BDF.blocker);
    await restore(BDF.blockedEdu);
  });

  it('rejects a driver and a function that do not exist', async () => {
    await assert.rejects(bindDriver(BDF.edu, { driver: 'nonesuch' }), { code: 'ENODEV' });
    await assert.rejects(bindDriver('0000:ff:1f.7'), { code: 'ENODEV' });
    assert.equal(driverOf(BDF.edu), undefined);
  });

  it('binds the old driver again if the new one refuses the function', async () => {
    assert.equal(driverOf(BDF.blocker), 'virtio-pci');
    // Its probe takes bridges alone.
    await assert.rejects(bindDriver(BDF.blocker, { driver: 'pcieport' }), { device: BDF.blocker });
    assert.equal(driverOf(BDF.blocker), 'virtio-pci');
  });

  it('rejects with ERR_TIMEOUT while a process has the device open, and names the process', async () => {
    await bind(BDF.edu);
    const fd = openSync('/dev/vfio/devices/vfio0', 'r+');
    const user = spawn('sleep', ['60'], { stdio: [fd, 'ignore', 'ignore'] });
    closeSync(fd);
    try {
      await assert.rejects(restoreDriver(BDF.edu, { timeoutMs: 1000 }), (error: VfioError) => {
        assert.equal(error.code, 'ERR_TIMEOUT');
        assert.match(error.message, new RegExp(`process ${user.pid} \\(sleep\\) has /dev/vfio/devices/vfio0 open`));
        return true;
      });
    } finally {
      user.kill();
    }
    await eventually('the unbinding goes on', () => driverOf(BDF.edu) === undefined);
    await restore(BDF.edu);
  });
});
