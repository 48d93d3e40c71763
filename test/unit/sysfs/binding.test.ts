import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { bindDriver, restoreDriver } from '../../../lib/sysfs/binding.js';
import { VfioError } from '../../../lib/base/errors.js';
import { describeFileUsers, findFileUsers } from '../../../lib/sysfs/file-users.js';
import { SoftwareMachine } from '../../../lib/software/machine/software-machine.js';
import type { Sysfs } from '../../../lib/kernel/sysfs.js';
import { writeInChild } from '../../../lib/sysfs/write-in-child.js';

const EDU = 'f000:00:04.0';
const SIBLING = 'f000:00:04.1';

describe('bindDriver and restoreDriver', () => {
  let machine: SoftwareMachine;
  let sysfs: Sysfs;
  let driverOf: (device: string) => string | null | undefined;

  beforeEach(async () => {
    machine = new SoftwareMachine();
    await machine.addDevice({ name: EDU, group: 0, model: 'edu', driver: 'nvme' });
    await machine.addDevice({ name: SIBLING, group: 0, driver: 'e1000e' });
    ({ sysfs } = machine);
    driverOf = (device) => machine.devices.get(device)?.driver;
  });
  afterEach(() => machine.close());

  it('bindDriver takes a function from its driver, restoreDriver returns it', async () => {
    assert.deepEqual(await bindDriver('F000:00:04.0', { sysfs }), { device: EDU, before: 'nvme', driver: 'vfio-pci' });
    assert.deepEqual(await bindDriver(EDU, { sysfs }), { device: EDU, before: 'vfio-pci', driver: 'vfio-pci' });
    const { before, driver } = await restoreDriver(EDU, { sysfs });
    assert.equal(before, 'vfio-pci');
    assert.notEqual(driver, 'vfio-pci');
  });

  it('restoreDriver leaves a function with a kernel driver alone', async () => {
    assert.deepEqual(await restoreDriver(SIBLING, { sysfs }), { device: SIBLING, before: 'e1000e', driver: 'e1000e' });
  });

  it('rejects a name that is not a PCI function, and a function or driver that does not exist', async () => {
    await rejects(
      bindDriver('edu', { sysfs }),
      'ERR_INVALID_ARGUMENT',
      /^`device` must be the address of a PCI function, .* Received 'edu'$/,
    );
    await rejects(bindDriver('f000:00:1f.7', { sysfs }), 'ENODEV', /vfio-engine list/);
    await rejects(bindDriver(EDU, { sysfs, driver: 'nonesuch' }), 'ENODEV', /modprobe nonesuch/);
    await rejects(bindDriver(EDU, { sysfs, driver: '../x' }), 'ENODEV', /no PCI driver/);
    await rejects(restoreDriver('f000:00:1f.7', { sysfs }), 'ENODEV', /vfio-engine list/);
    assert.equal(driverOf(EDU), 'nvme');
  });

  it('binds the old driver again when a step fails, and throws the first error', async () => {
    const steps = ['driver_override', 'driver/unbind', 'drivers_probe'];
    for (const step of steps) {
      const written: string[] = [];
      let failed = false;
      const failing: Sysfs = {
        ...sysfs,
        writeSlowly: async (path, data, timeoutMs) => {
          written.push(path);
          if (!failed && path.endsWith(step)) {
            failed = true;
            throw Object.assign(new Error('made to fail'), { code: 'EIO', syscall: 'write' });
          }
          await sysfs.writeSlowly(path, data, timeoutMs);
        },
      };
      await rejects(bindDriver(EDU, { sysfs: failing }), 'EIO', new RegExp(step));
      const override = Buffer.from(await sysfs.readFile(`/sys/bus/pci/devices/${EDU}/driver_override`)).toString();
      assert.equal(override.trim(), '(null)', `${step}: the override stays: ${written.join(' ')}`);
      if (driverOf(EDU) !== 'nvme') {
        // The software core has no table of ids: a probe without an override finds no driver.
        assert.equal(step, 'drivers_probe');
        assert.equal(written.at(-1), '/sys/bus/pci/drivers_probe');
        await machine.bindDriver(EDU, 'nvme');
      }
    }
  });

  it('rejects with ENODEV if the driver refuses the function', async () => {
    const deaf: Sysfs = {
      ...sysfs,
      writeSlowly: (path, data, timeoutMs) =>
        path.endsWith('probe') ? Promise.resolve() : sysfs.writeSlowly(path, data, timeoutMs),
    };
    await rejects(bindDriver(EDU, { sysfs: deaf }), 'ENODEV', /refused f000:00:04\.0; its driver is none/);
  });

  it('rejects with ERR_TIMEOUT while a user keeps the function', async () => {
    await machine.unbindDriver(SIBLING);
    await bindDriver(EDU, { sysfs });
    const user = machine.process();
    const container = await user.openContainer();
    const group = await user.openGroup('0');
    await user.setContainer(group, container);
    await user.setIommu(container, 3);
    await user.getDeviceFd(group, EDU);
    const unbinding = restoreDriver(EDU, { sysfs, timeoutMs: 50 });
    await rejects(unbinding, 'ERR_TIMEOUT', /^f000:00:04\.0 was still in use after 50 ms .*the kernel waits/);
    await user.exit();
  });
});

describe('describeFileUsers', () => {
  it('reads /proc, for removed files too', async () => {
    const root = mkdtempSync(join(tmpdir(), 'vfio-proc-'));
    try {
      for (const [pid, command, target] of [
        ['17', 'qemu-system-x86', '/dev/vfio/26'],
        ['9', 'driver', '/dev/vfio/devices/vfio0 (deleted)'],
        ['12', 'other', '/dev/null'],
        [String(process.pid), 'node', '/dev/vfio/27'],
      ] as const) {
        mkdirSync(join(root, pid, 'fd'), { recursive: true });
        writeFileSync(join(root, pid, 'comm'), `${command}\n`);
        symlinkSync(target, join(root, pid, 'fd', '3'));
      }
      mkdirSync(join(root, '20'));
      const holders = await describeFileUsers(['/dev/vfio/26', '/dev/vfio/devices/vfio0'], root);
      assert.equal(
        holders,
        'process 9 (driver) has /dev/vfio/devices/vfio0 open, process 17 (qemu-system-x86) has /dev/vfio/26 open',
      );
      assert.equal(
        await describeFileUsers(['/dev/vfio/27'], root),
        `this process (${process.pid}) has /dev/vfio/27 open`,
      );
      assert.equal(await describeFileUsers(['/dev/vfio/1'], root), undefined);
      assert.deepEqual(await findFileUsers(['/dev/vfio/26'], join(root, 'none')), []);
    } finally {
      rmSync(root, { recursive: true });
    }
  });
});

describe('writeInChild', () => {
  it('writes, fails with the errno of the write, and with ERR_TIMEOUT if it takes too long', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'vfio-write-'));
    try {
      const path = join(folder, 'file');
      writeFileSync(path, '');
      await writeInChild(path, 'text', 10_000);
      await rejects(writeInChild(join(folder, 'none', 'file'), 'text', 10_000), 'ENOENT', /write/);
      // Nobody reads the pipe: opening it for writing waits.
      const pipe = join(folder, 'pipe');
      execFileSync('mkfifo', [pipe]);
      await rejects(writeInChild(pipe, 'text', 300), 'ERR_TIMEOUT', /did not end within 300 ms/);
      closeSync(openSync(pipe, 'r+'));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

async function rejects(promise: Promise<unknown>, code: string, message: RegExp): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof VfioError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  });
}
