import assert from 'node:assert/strict';
import { closeSync, existsSync, openSync } from 'node:fs';
import { BDF } from '../../devices.js';
import { bind, unbind } from '../../support/binding.js';
import { groupName, groupOf, readText } from '../../support/sysfs.js';

describe('the guest without an IOMMU', () => {
  it('has no group for any device before one is bound', () => {
    for (const bdf of Object.values(BDF)) assert.equal(groupOf(bdf), undefined, bdf);
  });

  it('allows VFIO without an IOMMU', () => {
    assert.equal(readText('/sys/module/vfio/parameters/enable_unsafe_noiommu_mode'), 'Y');
  });

  it('makes a group noiommu-N for a bound function, which opens', async () => {
    await bind(BDF.edu);
    const name = groupName(BDF.edu);
    assert.match(name, /^noiommu-\d+$/);
    closeSync(openSync(`/dev/vfio/${name}`, 'r+'));
    await unbind(BDF.edu);
    assert.equal(groupOf(BDF.edu), undefined);
    assert.equal(existsSync(`/dev/vfio/${name}`), false);
  });
});
