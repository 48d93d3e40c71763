import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { BDF, IDS } from '../../devices.js';
import { findDevices, groupMembers, groupOf, idsOf, readText } from '../../support/sysfs.js';

/** The members of a device's group. */
function siblings(bdf: string): string[] {
  const group = groupOf(bdf);
  assert.ok(group !== undefined, `${bdf} has no group`);
  return groupMembers(group);
}

describe('the guest: kernel and devices', () => {
  it('has the container, iommufd and the type1 IOMMU', () => {
    assert.ok(existsSync('/dev/vfio/vfio'));
    assert.ok(existsSync('/dev/iommu'));
    assert.ok(existsSync('/sys/module/vfio_iommu_type1'));
  });

  it('translates DMA: the command line says so and every function has a group', () => {
    assert.match(readFileSync('/proc/cmdline', 'utf8'), /\bintel_iommu=on\b/);
    for (const bdf of Object.values(BDF)) assert.ok(groupOf(bdf) !== undefined, `${bdf} has no group`);
  });

  it('has each device where devices.ts says it is', () => {
    const expected: Partial<Record<keyof typeof BDF, string>> = {
      edu: IDS.edu,
      testdev: IDS.testdev,
      nvme: IDS.nvme,
      rootPort: IDS.rootPort,
      e1000e: IDS.e1000e,
      pairEdu: IDS.edu,
      pairTestdev: IDS.testdev,
      bridge: IDS.bridge,
      bridgedEdu: IDS.edu,
      bridgedTestdev: IDS.testdev,
      ivshmem: IDS.ivshmem,
      blockedEdu: IDS.edu,
      blocker: IDS.virtioRng,
      eduWide: IDS.edu,
      slotA: IDS.rootPort,
      cardA: IDS.e1000e,
      slotB: IDS.rootPort,
      cardB: IDS.e1000e,
    };
    const found = Object.fromEntries(Object.keys(expected).map((name) => [name, idsOf(BDF[name as keyof typeof BDF])]));
    assert.deepEqual(found, expected);
    assert.deepEqual(Object.keys(expected).sort(), Object.keys(BDF).sort());
    assert.deepEqual(findDevices(IDS.edu), [BDF.edu, BDF.pairEdu, BDF.blockedEdu, BDF.eduWide, BDF.bridgedEdu]);
  });

  it('has groups of one function and of several', () => {
    for (const bdf of [BDF.edu, BDF.testdev, BDF.nvme, BDF.e1000e, BDF.ivshmem, BDF.eduWide]) {
      assert.deepEqual(siblings(bdf), [bdf]);
    }
    assert.deepEqual(siblings(BDF.pairEdu), [BDF.pairEdu, BDF.pairTestdev]);
    assert.deepEqual(siblings(BDF.bridgedEdu), [BDF.bridge, BDF.bridgedEdu, BDF.bridgedTestdev]);
    assert.deepEqual(siblings(BDF.blockedEdu), [BDF.blockedEdu, BDF.blocker]);
  });

  it('remaps interrupts: no group needs allow_unsafe_interrupts', () => {
    assert.equal(readText('/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts'), 'N');
  });
});
