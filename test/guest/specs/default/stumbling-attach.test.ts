import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import type { BackendName } from '../../../../lib/backends/backend.js';
import type { Device } from '../../../../lib/device.js';
import { type AttachOptions, Engine } from '../../../../lib/engine.js';
import { linuxKernel } from '../../../../lib/kernel/linux.js';
import { VFIO_PCI_BAR0_REGION_INDEX } from '../../../../lib/uapi/vfio.js';
import { BDF } from '../../devices.js';
import { bind, restore } from '../../support/binding.js';
import { refuses } from '../../support/refuses.js';
import { deviceFolder, groupName, groupOf } from '../../support/sysfs.js';

const HOLDER_CHILD = fileURLToPath(new URL('../../support/holder-child.js', import.meta.url));
const HOLDER_DEADLINE_MS = 20_000;

type Way = 'auto' | BackendName;

/** What users stumble on first: each answer names what is in the way and what to do. */
describe('attaching what cannot be attached', () => {
  const engines = new Map<Way, Engine>();
  const bound = [BDF.edu, BDF.blockedEdu, BDF.ivshmem];

  before(async () => {
    for (const bdf of bound) await bind(bdf);
    for (const backend of ['container', 'iommufd', 'auto'] as const) {
      engines.set(backend, new Engine({ kernels: [linuxKernel()], backend }));
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

  it('names the function and the driver that keep a group from being viable', async () => {
    for (const backend of ['container', 'iommufd', 'auto'] as const) {
      await refuses(attach(backend, BDF.blockedEdu), 'EPERM', [
        `group ${groupOf(BDF.blockedEdu)} is not viable`,
        `${BDF.blocker} of the same group is bound to virtio-pci`,
        'bind it to vfio-pci or to no driver',
      ]);
    }
  });

  it('names the process that has the group, or the node', async () => {
    const cdev = `/dev/vfio/devices/${readdirSync(`${deviceFolder(BDF.edu)}/vfio-dev`).join()}`;
    const group = `/dev/vfio/${groupName(BDF.edu)}`;
    const holder = holding(group);
    try {
      const who = `process ${holder.pid} (sleep) has ${group} open`;
      await refuses(attach('container', BDF.edu), 'EBUSY', [who, 'one user of a group at a time']);
      await refuses(attach('iommufd', BDF.edu), 'EBUSY', [who, 'the group of the device is open']);
    } finally {
      await ended(holder);
    }
    const first = await attach('iommufd', BDF.edu);
    // Another engine of this process stands for another process here.
    const other = new Engine({ kernels: [linuxKernel()], backend: 'iommufd' });
    try {
      await refuses(other.attach(BDF.edu), 'EINVAL', [`this process (${process.pid}) has ${cdev} open`]);
    } finally {
      await other.close();
      await first.detach();
    }
    await (await attach('container', BDF.edu)).detach();
  });

  it('names the other process that has the device by its node', async () => {
    const cdev = `/dev/vfio/devices/${readdirSync(`${deviceFolder(BDF.edu)}/vfio-dev`).join()}`;
    const holder = await attachedElsewhere('iommufd', BDF.edu);
    try {
      const who = `process ${holder.pid} (node) has ${cdev} open`;
      await refuses(attach('container', BDF.edu), 'EBUSY', [who, 'one user of a group at a time']);
      await refuses(attach('iommufd', BDF.edu), 'EINVAL', [who, 'one user at a time']);
    } finally {
      await ended(holder);
    }
    await (await attach('auto', BDF.edu)).detach();
  });

  it('says that a device has no reset, and what else there is', async () => {
    for (const backend of ['container', 'iommufd'] as const) {
      const device = await attach(backend, BDF.ivshmem);
      await refuses(device.reset(), 'ERR_NOT_SUPPORTED', [
        'the device has no reset',
        'reset its own registers',
        'detach every device',
      ]);
      await device.detach();
    }
  });

  it('says that memory decoding is off where a trapped access fails for it', async () => {
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

/** Another process that has a device attached by this library. */
async function attachedElsewhere(backend: BackendName, bdf: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [HOLDER_CHILD, backend, bdf], { stdio: ['ignore', 'pipe', 'inherit'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), HOLDER_DEADLINE_MS);
  try {
    const [said] = (await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])) as [unknown];
    assert.equal(String(said), 'attached\n', 'the other process could not attach the device');
    return child;
  } finally {
    clearTimeout(timer);
  }
}

function ended(child: ChildProcess): Promise<unknown> {
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  return exit;
}
