import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readdirSync } from 'node:fs';

import type { BackendName } from '../../../../lib/backends/backend.js';
import type { Device } from '../../../../lib/device/device.js';
import type { AttachOptions, Engine } from '../../../../lib/engine/engine.js';
import { linuxIommufd } from '../../../../lib/kernel/linux/iommufd.js';
import { linuxKernel } from '../../../../lib/kernel/linux/linux.js';
import { VFIO_PCI_BAR0_REGION_INDEX } from '../../../../lib/uapi/vfio.js';
import { BDF } from '../../devices.js';
import { linuxEngine } from '../../support/engine.js';
import { bind, restore } from '../../support/binding.js';
import { refuses } from '../../support/refuses.js';
import { deviceFolder, groupName, groupOf } from '../../support/sysfs.js';

type Way = 'auto' | BackendName;

/** What users stumble on first: each answer names what is in the way and what to do. */
describe('the hints of attaches that fail', () => {
  const engines = new Map<Way, Engine>();
  const bound = [BDF.edu, BDF.blockedEdu, BDF.ivshmem];

  before(async () => {
    for (const bdf of bound) await bind(bdf);
    for (const backend of ['container', 'iommufd', 'auto'] as const) {
      engines.set(backend, linuxEngine({ backend }));
    }
  });
  after(async () => {
    for (const engine of engines.values()) await engine.close();
    for (const bdf of bound) await restore(bdf);
  });

  async function attach(backend: Way, bdf: string, options: AttachOptions = {}): Promise<Device> {
    const engine = engines.get(backend);
    assert.ok(engine);
    return engine.attach(bdf, options);
  }

  it('name the function and the driver if a group is not viable', async () => {
    for (const backend of ['container', 'iommufd', 'auto'] as const) {
      await refuses(attach(backend, BDF.blockedEdu), 'EPERM', [
        `group ${groupOf(BDF.blockedEdu)} is not viable`,
        `${BDF.blocker} of the same group is bound to virtio-pci`,
        'bind it to vfio-pci or to no driver',
      ]);
    }
  });

  it('name the process that has the group or the node', async () => {
    const cdev = `/dev/vfio/devices/${readdirSync(`${deviceFolder(BDF.edu)}/vfio-dev`).join()}`;
    const group = `/dev/vfio/${groupName(BDF.edu)}`;
    const holder = holding(group);
    try {
      const who = `process ${holder.pid} (sleep) has ${group} open`;
      await refuses(attach('container', BDF.edu), 'EBUSY', [who, 'a group has one user at a time']);
      await refuses(attach('iommufd', BDF.edu), 'EBUSY', [who, 'the group of the device is open']);
    } finally {
      await ended(holder);
    }
    const first = await attach('iommufd', BDF.edu);
    // Another engine of this process stands for another process here.
    const other = linuxEngine({ backend: 'iommufd' });
    try {
      await refuses(other.attach(BDF.edu), 'EINVAL', [`this process (${process.pid}) has ${cdev} open`]);
    } finally {
      await other.close();
      await first.detach();
    }
    await (await attach('container', BDF.edu)).detach();
  });

  it('name another process that has the node of the device', async () => {
    const node = readdirSync(`${deviceFolder(BDF.edu)}/vfio-dev`).join();
    const holder = await holdingBound(node);
    try {
      const who = `process ${holder.pid} (sleep) has /dev/vfio/devices/${node} open`;
      await refuses(attach('container', BDF.edu), 'EBUSY', [who, 'a group has one user at a time']);
      await refuses(attach('iommufd', BDF.edu), 'EINVAL', [who, 'one user at a time']);
    } finally {
      await ended(holder);
    }
    await (await attach('auto', BDF.edu)).detach();
  });

  it('say that a device has no reset, and name the alternative', async () => {
    for (const backend of ['container', 'iommufd'] as const) {
      const device = await attach(backend, BDF.ivshmem);
      await refuses(device.reset(), 'ERR_NOT_SUPPORTED', [
        'the device has no reset',
        'by its own registers',
        'detach every device',
      ]);
      await device.detach();
    }
  });

  it('say that memory decoding is off if a trapped access fails', async () => {
    for (const backend of ['container', 'iommufd'] as const) {
      const device = await attach(backend, BDF.edu, { trap: [VFIO_PCI_BAR0_REGION_INDEX] });
      const bar = device.region(VFIO_PCI_BAR0_REGION_INDEX);
      assert.equal(bar.kind, 'trapped');
      await device.config.setMemoryDecode(false);
      await refuses(bar.read32(0), 'EIO', ['is memory decoding on', 'command register', 'setMemoryDecode(true)']);
      await device.config.setMemoryDecode(true);
      assert.equal(await bar.read32(0), 0x010000ed);
      await device.detach();
    }
  });
});

/** Another process that has a file open. */
function holding(path: string): ChildProcess {
  const fd = openSync(path, 'r+');
  try {
    return spawn('sleep', ['600'], { stdio: [fd, 'ignore', 'ignore'] });
  } finally {
    closeSync(fd);
  }
}

/** Another process that has a device by its node, bound to an iommufd: this one binds it and hands both on. */
async function holdingBound(node: string): Promise<ChildProcess> {
  const iommufd = await linuxIommufd.openIommufd();
  try {
    const device = await linuxIommufd.openCdev(node);
    try {
      await linuxIommufd.bindIommufd(device, iommufd);
      return spawn('sleep', ['600'], { stdio: [device, iommufd, 'ignore'] });
    } finally {
      await linuxKernel().close(device);
    }
  } finally {
    await linuxKernel().close(iommufd);
  }
}

function ended(child: ChildProcess): Promise<unknown> {
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  return exit;
}
