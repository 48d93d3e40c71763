import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { createMdev, listMdevs, mdevTypeFolder, removeMdev, removeMdevs, type MdevKind } from '../../support/mdev.js';
import { groupMembers, groupName, readText } from '../../support/sysfs.js';

describe('the guest: mediated devices', () => {
  afterEach(removeMdevs);

  for (const kind of ['mtty-1', 'mtty-2', 'mdpy-vga'] satisfies MdevKind[]) {
    it(`creates and removes ${kind}`, async () => {
      const uuid = createMdev(kind);
      assert.deepEqual(listMdevs(), [uuid]);
      const group = groupName(uuid);
      assert.deepEqual(groupMembers(group), [uuid]);
      assert.ok(existsSync(`/dev/vfio/${group}`));
      await removeMdev(uuid);
      assert.deepEqual(listMdevs(), []);
      assert.equal(existsSync(`/dev/vfio/${group}`), false);
    });
  }

  it('takes a given UUID once', () => {
    const uuid = createMdev('mtty-2', '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001');
    assert.equal(uuid, '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001');
    assert.throws(() => createMdev('mtty-2', uuid), { code: 'EEXIST' });
  });

  it('speaks the vfio-pci interface', () => {
    assert.equal(readText(mdevTypeFolder('mtty-2'), 'device_api'), 'vfio-pci');
    assert.equal(readText(mdevTypeFolder('mdpy-xga'), 'device_api'), 'vfio-pci');
  });
});
