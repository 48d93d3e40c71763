import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { DmaTarget } from '../../../lib/backends/dma-target.js';
import { Container } from '../../../lib/backends/container/container.js';
import { Group } from '../../../lib/backends/container/group.js';
import { IommufdBackend } from '../../../lib/backends/iommufd/backend.js';
import { bindDriver } from '../../../lib/sysfs/binding.js';
import { DmaSpace } from '../../../lib/dma/dma-space.js';
import { explainMap } from '../../../lib/dma/space/explain.js';
import { systemError, VfioError } from '../../../lib/base/errors.js';
import { findFileUsers } from '../../../lib/sysfs/file-users.js';
import type { VfioKernel } from '../../../lib/kernel/kernel.js';
import { SoftwareMachine } from '../../../lib/software/machine/software-machine.js';
import { queryGroup } from '../../../lib/sysfs/iommu-group.js';
import type { Sysfs } from '../../../lib/kernel/sysfs.js';
import { fakeIommufd } from '../../support/fake-iommufd.js';

const EDU = 'f000:00:04.0';
const GROUP = { id: '7', noiommu: false };

/** Fails as a call does if the process has no file descriptor left. */
function exhausted(): Promise<never> {
  return Promise.reject(Object.assign(new Error('made to fail'), { code: 'EMFILE', syscall: 'open' }));
}

/** Makes a /sys whose given operations fail. */
function unreadable(...parts: (keyof Sysfs)[]): Sysfs {
  const sysfs = { exists: () => Promise.resolve(false), readdir: () => Promise.resolve([]) };
  return { ...sysfs, ...Object.fromEntries(parts.map((part) => [part, exhausted])) } as unknown as Sysfs;
}

/** Checks that the first error is thrown, with the part of its hint that needs no query. */
async function comesThrough(failing: Promise<unknown>, code: string, hint: RegExp): Promise<void> {
  await assert.rejects(failing, (error) => {
    assert.ok(error instanceof VfioError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.hint ?? '', hint);
    return true;
  });
}

describe('an error whose explanation fails', () => {
  it('is thrown by a map that fails', async () => {
    const target = { queryReserved: exhausted } as unknown as DmaTarget;
    const request = { iova: 0x2000n, size: 0x1000n, vaddr: 0n, read: true, write: true, file: undefined };
    const context = { ranges: [{ start: 0n, last: 0xfffn }], remaining: 0x1000n, others: [] };
    const failing = explainMap(systemError('EINVAL', 'ioctl(VFIO_IOMMU_MAP_DMA)'), request, target, context);
    await comesThrough(
      failing.then((error) => Promise.reject(error as Error)),
      'EINVAL',
      /0x2000-0x2fff cannot be mapped; the IOVAs that can be mapped are 0x0-0xfff/,
    );
  });

  it('is thrown by a group that another process has open', async () => {
    const openGroup = (): Promise<never> => Promise.reject(systemError('EBUSY', 'open'));
    // The first query is for its reserved ranges, which do not exist.
    let asked = 0;
    const sysfs: Sysfs = { ...unreadable(), exists: () => (asked++ === 0 ? Promise.resolve(false) : exhausted()) };
    const kernel = { kind: 'linux', sysfs, openGroup } as unknown as VfioKernel;
    await comesThrough(Group.open(kernel, GROUP), 'EBUSY', /one user at a time/);
    assert.equal(asked, 2);
  });

  it('is thrown by a group that is not viable', async () => {
    const kernel = {
      kind: 'linux',
      sysfs: unreadable('readdir'),
      openGroup: () => Promise.resolve(5),
      getGroupStatus: () => ({ flags: 0 }),
      close: () => Promise.resolve(),
    } as unknown as VfioKernel;
    await comesThrough(Group.open(kernel, GROUP), 'EPERM', /every device of the group must be bound/);
  });

  it('is thrown by a device that iommufd does not bind', async () => {
    const { kernel } = fakeIommufd([{ last: 0xffffn, tracks: false }]);
    kernel.bindIommufd = () => Promise.reject(systemError('EBUSY', 'ioctl(VFIO_DEVICE_BIND_IOMMUFD)'));
    kernel.sysfs.readlink = exhausted;
    const space = new DmaSpace().mappings;
    const request = { name: '0000:00:00.0', sysfsPath: '/sys/0', space, reset: false };
    await comesThrough(new IommufdBackend(kernel).attach(request), 'EBUSY', /one user at a time/);
  });

  it('is thrown by a device without a group', async () => {
    const readlink = (): Promise<never> => Promise.reject(Object.assign(new Error('gone'), { code: 'ENOENT' }));
    await comesThrough(queryGroup({ ...unreadable('exists'), readlink }, '/sys/x', EDU), 'ENODEV', /^$/);
  });

  it('is thrown by a group that a container does not release', async () => {
    let failing: string | undefined;
    const kernel = {
      openContainer: () => Promise.resolve(3),
      getApiVersion: () => 0,
      checkExtension: () => 1,
      close: () => Promise.resolve(),
      setContainer: () => Promise.resolve(),
      setIommu: () => Promise.resolve(),
      unsetContainer: () => Promise.reject(systemError('EINVAL', 'ioctl(VFIO_GROUP_UNSET_CONTAINER)')),
      getGroupStatus: () => {
        failing = 'getGroupStatus';
        throw systemError('EIO', 'ioctl(VFIO_GROUP_GET_STATUS)');
      },
    } as unknown as VfioKernel;
    const container = await Container.open(kernel, new DmaSpace().mappings, false);
    const group = { id: '7', noiommu: false, fd: 5, path: '/dev/vfio/7', reserved: [] } as unknown as Group;
    await container.start(group);
    await comesThrough(container.leave(group), 'EINVAL', /^$/);
    assert.equal(failing, 'getGroupStatus');
  });

  it('does not stop a driver change when the users of the device cannot be found', async () => {
    const machine = new SoftwareMachine();
    await machine.addDevice({ name: EDU, model: 'edu', driver: 'nvme' });
    const { sysfs } = machine;
    const exists = (path: string): Promise<boolean> => (path.endsWith('vfio-dev') ? exhausted() : sysfs.exists(path));
    const change = await bindDriver(EDU, { sysfs: { ...sysfs, exists } });
    assert.equal(change.driver, 'vfio-pci');
    await machine.close();
  });

  it('leaves out the processes whose descriptors cannot be read', async () => {
    const root = mkdtempSync(join(tmpdir(), 'vfio-proc-'));
    try {
      mkdirSync(join(root, '9'));
      // ENOTDIR stands for EMFILE.
      writeFileSync(join(root, '9', 'fd'), '');
      mkdirSync(join(root, '17', 'fd'), { recursive: true });
      symlinkSync('/dev/vfio/26', join(root, '17', 'fd', '3'));
      assert.deepEqual(await findFileUsers(['/dev/vfio/26'], root), [{ pid: 17, command: '', path: '/dev/vfio/26' }]);
    } finally {
      rmSync(root, { recursive: true });
    }
  });
});
