import assert from 'node:assert/strict';

import { listDevices } from '../../../lib/sysfs/inventory.js';
import type { Sysfs } from '../../../lib/kernel/sysfs.js';

/** A /sys of files (text) and links (text after `->`). */
function fakeSysfs(entries: Readonly<Record<string, string>>): Sysfs {
  const paths = Object.keys(entries);
  const missing = (path: string): Promise<never> =>
    Promise.reject(Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' }));
  return {
    exists: (path) => Promise.resolve(paths.some((known) => known === path || known.startsWith(`${path}/`))),
    readlink: (path) => {
      const text = entries[path];
      return text?.startsWith('->') === true ? Promise.resolve(text.slice(2)) : missing(path);
    },
    readFile: (path) => Promise.resolve(Buffer.from(entries[path] ?? '')),
    readdir: (path) => {
      const names = paths.filter((known) => known.startsWith(`${path}/`)).map((known) => known.slice(path.length + 1));
      return Promise.resolve([...new Set(names.map((name) => name.split('/')[0] ?? ''))]);
    },
    writeFile: missing,
    writeSlowly: missing,
  };
}

describe('listDevices', () => {
  it('lists group, driver, ids and class, in the order of the names', async () => {
    const sysfs = fakeSysfs({
      '/sys/bus/pci/devices/0000:00:05.0/vendor': '0x1b36\n',
      '/sys/bus/pci/devices/0000:00:05.0/device': '0x0005\n',
      '/sys/bus/pci/devices/0000:00:05.0/class': '0x00ff00\n',
      '/sys/bus/pci/devices/0000:00:04.0/vendor': '0x1234\n',
      '/sys/bus/pci/devices/0000:00:04.0/device': '0x11e8\n',
      '/sys/bus/pci/devices/0000:00:04.0/class': '0x00ff00\n',
      '/sys/bus/pci/devices/0000:00:04.0/driver': '->../../../bus/pci/drivers/vfio-pci',
      '/sys/bus/pci/devices/0000:00:04.0/iommu_group': '->../../../kernel/iommu_groups/26',
    });
    assert.deepEqual(await listDevices(sysfs, 'linux'), [
      {
        device: '0000:00:04.0',
        kernel: 'linux',
        group: '26',
        driver: 'vfio-pci',
        id: '1234:11e8',
        classCode: '00ff00',
        viable: true,
        blocker: null,
      },
      {
        device: '0000:00:05.0',
        kernel: 'linux',
        group: null,
        driver: null,
        id: '1b36:0005',
        classCode: '00ff00',
        viable: null,
        blocker: null,
      },
    ]);
  });

  it('names the function whose driver makes a group not viable, for each function of the group', async () => {
    const group = (bdf: string): [string, string] => [
      `/sys/bus/pci/devices/${bdf}/iommu_group`,
      '->../../../kernel/iommu_groups/26',
    ];
    const member = (bdf: string): [string, string] => [
      `/sys/kernel/iommu_groups/26/devices/${bdf}/driver`,
      `->../../../../bus/pci/drivers/${bdf.endsWith('0') ? 'vfio-pci' : 'e1000e'}`,
    ];
    const functions = ['0000:00:04.0', '0000:00:04.1'];
    const entries = await listDevices(
      fakeSysfs(Object.fromEntries([...functions.map(group), ...functions.map(member)])),
    );
    const blocker = { device: '0000:00:04.1', driver: 'e1000e' };
    assert.deepEqual(
      entries.map(({ viable, blocker }) => ({ viable, blocker })),
      [
        { viable: false, blocker },
        { viable: false, blocker },
      ],
    );
  });

  it('lists mediated devices, which have no ids', async () => {
    const uuid = '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001';
    const sysfs = fakeSysfs({
      [`/sys/bus/mdev/devices/${uuid}/driver`]: '->../../bus/mdev/drivers/vfio_mdev',
      [`/sys/bus/mdev/devices/${uuid}/iommu_group`]: '->../../../kernel/iommu_groups/3',
    });
    const [entry] = await listDevices(sysfs, 'linux');
    assert.deepEqual([entry?.device, entry?.driver, entry?.id, entry?.classCode], [uuid, 'vfio_mdev', null, null]);
  });

  it('returns an empty list on a machine without these buses', async () => {
    assert.deepEqual(await listDevices(fakeSysfs({}), 'software'), []);
  });
});
