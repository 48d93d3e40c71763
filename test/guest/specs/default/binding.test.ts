import assert from 'node:assert/strict';
import { closeSync, existsSync, openSync } from 'node:fs';
import { BDF } from '../../devices.js';
import { bind, restore, unbind, whileBound } from '../../support/binding.js';
import { eventually } from '../../support/eventually.js';
import { driverOf, groupName, groupOf } from '../../support/sysfs.js';

describe('the guest: binding to vfio-pci', () => {
  it('binds edu by driver_override, makes its group file, and takes it away again', async () => {
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

  it('gives a bound function a character device of its own for iommufd', async () => {
    await whileBound([BDF.edu], () => {
      assert.ok(existsSync(`/sys/bus/pci/devices/${BDF.edu}/vfio-dev`));
      assert.ok(existsSync('/dev/vfio/devices/vfio0'));
    });
  });

  it('takes a function from its driver and gives it back', async () => {
    assert.equal(driverOf(BDF.blocker), 'virtio-pci');
    await bind(BDF.blocker);
    assert.equal(driverOf(BDF.blocker), 'vfio-pci');
    await restore(BDF.blocker);
    assert.equal(driverOf(BDF.blocker), 'virtio-pci');
  });

  it('keeps one group file for two functions until the last is unbound', async () => {
    const path = `/dev/vfio/${groupName(BDF.pairEdu)}`;
    await bind(BDF.pairEdu);
    await bind(BDF.pairTestdev);
    assert.equal(groupOf(BDF.pairEdu), groupOf(BDF.pairTestdev));
    await unbind(BDF.pairEdu);
    assert.equal(existsSync(path), true);
    await unbind(BDF.pairTestdev);
    assert.equal(existsSync(path), false);
  });

  it('says which driver it got when the wanted one refuses', async () => {
    await assert.rejects(bind(BDF.edu, 'nvme-that-is-not-there'), /is bound to no driver/);
    await unbind(BDF.edu);
  });

  it('gives up on an unbinding that a user of the device holds up', async () => {
    await bind(BDF.edu);
    const user = openSync('/dev/vfio/devices/vfio0', 'r+');
    await assert.rejects(unbind(BDF.edu, 500), /holds the device/);
    closeSync(user);
    await eventually('the unbinding goes on', () => driverOf(BDF.edu) === undefined);
    await restore(BDF.edu);
  });
});
