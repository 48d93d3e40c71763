import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { BDF } from '../../devices.js';
import { bind, restore, unbind, whileBound } from '../../support/binding.js';
import { driverOf, groupName, groupOf } from '../../support/sysfs.js';

describe('the guest: binding to vfio-pci', () => {
  it('binds edu by driver_override, makes its group file, and takes it away again', () => {
    const path = `/dev/vfio/${groupName(BDF.edu)}`;
    assert.equal(driverOf(BDF.edu), undefined);
    assert.equal(existsSync(path), false);
    bind(BDF.edu);
    assert.equal(driverOf(BDF.edu), 'vfio-pci');
    assert.equal(existsSync(path), true);
    unbind(BDF.edu);
    assert.equal(driverOf(BDF.edu), undefined);
    assert.equal(existsSync(path), false);
  });

  it('gives a bound function a character device of its own for iommufd', async () => {
    await whileBound([BDF.edu], () => {
      assert.ok(existsSync(`/sys/bus/pci/devices/${BDF.edu}/vfio-dev`));
      assert.ok(existsSync('/dev/vfio/devices/vfio0'));
    });
  });

  it('takes a function from its driver and gives it back', () => {
    assert.equal(driverOf(BDF.blocker), 'virtio-pci');
    bind(BDF.blocker);
    assert.equal(driverOf(BDF.blocker), 'vfio-pci');
    restore(BDF.blocker);
    assert.equal(driverOf(BDF.blocker), 'virtio-pci');
  });

  it('keeps one group file for two functions until the last is unbound', () => {
    const path = `/dev/vfio/${groupName(BDF.pairEdu)}`;
    bind(BDF.pairEdu);
    bind(BDF.pairTestdev);
    assert.equal(groupOf(BDF.pairEdu), groupOf(BDF.pairTestdev));
    unbind(BDF.pairEdu);
    assert.equal(existsSync(path), true);
    unbind(BDF.pairTestdev);
    assert.equal(existsSync(path), false);
  });

  it('says which driver it got when the wanted one refuses', () => {
    assert.throws(() => bind(BDF.edu, 'nvme-that-is-not-there'), /is bound to no driver/);
    unbind(BDF.edu);
  });
});
