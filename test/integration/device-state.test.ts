import assert from 'node:assert/strict';

import { hotReset, queryHotReset } from '../../lib/device/hot-reset.js';
import type { AttachedDevice } from '../../lib/backends/backend.js';
import { Engine } from '../../lib/engine/engine.js';
import { systemError } from '../../lib/base/errors.js';
import { SoftwareMachine } from '../../lib/software/machine/software-machine.js';
import { PCI_COMMAND } from '../../lib/uapi/pci.js';
import { VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, VFIO_PCI_HOT_RESET_FLAG_DEV_ID } from '../../lib/uapi/vfio.js';

const NAME = 'f000:00:06.0';

describe('reset and state', function () {
  this.timeout(30_000);

  it('work on the software core as far as it supports them, and are rejected otherwise', async () => {
    const machine = new SoftwareMachine();
    await machine.addDevice({ name: NAME, model: 'testdev' });
    const engine = new Engine({ machine });
    const device = await engine.attach(NAME, { busMaster: true });
    try {
      const command = await device.config.read16(PCI_COMMAND);
      await device.reset();
      assert.equal(await device.config.read16(PCI_COMMAND), command);
      assert.equal(device.queryHotReset(), undefined);
      await assert.rejects(device.hotReset(), { code: 'ERR_NOT_SUPPORTED', device: NAME });
      assert.equal(device.features.lowPower, false);
      assert.equal(device.features.has(VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY), false);
      await assert.rejects(device.features.enterLowPower(), { code: 'ERR_NOT_SUPPORTED', device: NAME });
      await assert.rejects(device.features.exitLowPower(), { code: 'ERR_NOT_SUPPORTED' });
      await device.detach();
      assert.throws(() => device.queryHotReset(), { code: 'ERR_CLOSED' });
      assert.throws(() => device.features.lowPower, { code: 'ERR_CLOSED' });
    } finally {
      await engine.close();
      await machine.close();
    }
  });

  describe('hot reset of a slot with two functions', () => {
    const DEVICES = [
      { id: 7, segment: 0, bus: 1, devfn: 0 },
      { id: 8, segment: 0, bus: 1, devfn: 9 },
    ];
    /** The groups that the kernel got, for each reset. */
    let passedGroups: (readonly number[])[];

    function attached(flags: number, groups: Record<string, number>, error?: Error): AttachedDevice {
      passedGroups = [];
      const kernel = {
        getHotResetInfo: () => ({ flags, devices: DEVICES }),
        hotReset: (_: number, fds: readonly number[]) => {
          passedGroups.push(fds);
          return error === undefined ? Promise.resolve() : Promise.reject(error);
        },
      };
      return { kernel, deviceFd: 3, groupFd: (id: string) => groups[id] } as unknown as AttachedDevice;
    }

    it('passes the groups of all devices to the kernel', async () => {
      const both = attached(0, { 7: 70, 8: 80 });
      assert.deepEqual(queryHotReset(both), [
        { name: '0000:01:00.0', groupId: '7', owned: true },
        { name: '0000:01:01.1', groupId: '8', owned: true },
      ]);
      await hotReset(both, '0000:01:00.0');
      assert.deepEqual(passedGroups, [[70, 80]]);
      await hotReset(attached(0, { 7: 70, 8: 70 }), '0000:01:00.0');
      assert.deepEqual(passedGroups, [[70]]);
    });

    it('passes no groups to the kernel if the iommufd owns the devices', async () => {
      await hotReset(attached(VFIO_PCI_HOT_RESET_FLAG_DEV_ID, {}), '0000:01:00.0');
      assert.deepEqual(passedGroups, [[]]);
    });

    it('is not performed while a device is not owned', async () => {
      const failure = { code: 'EPERM', device: '0000:01:00.0', message: /also affects 0000:01:01\.1: attach them too/ };
      await assert.rejects(hotReset(attached(0, { 7: 70 }), '0000:01:00.0'), failure);
      assert.deepEqual(passedGroups, []);
    });

    it("fails with the kernel's errno, its meaning and the affected devices", async () => {
      const failing = attached(0, { 7: 70, 8: 80 }, systemError('ENOTTY', 'ioctl(VFIO_DEVICE_PCI_HOT_RESET)'));
      await assert.rejects(hotReset(failing, '0000:01:00.0'), {
        code: 'ENOTTY',
        message: /did not come back.*affects 0000:01:00\.0, 0000:01:01\.1/,
      });
    });
  });
});
