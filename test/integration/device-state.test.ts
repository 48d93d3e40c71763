import assert from 'node:assert/strict';

import { hotReset, queryHotReset } from '../../lib/device/hot-reset.js';
import type { AttachedDevice } from '../../lib/backends/backend.js';
import { Engine } from '../../lib/engine/engine.js';
import { systemError } from '../../lib/base/errors.js';
import { SoftwareMachine } from '../../lib/software/machine/software-machine.js';
import { VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, VFIO_PCI_HOT_RESET_FLAG_DEV_ID } from '../../lib/uapi/vfio.js';

const NAME = 'f000:00:06.0';
const COMMAND = 0x04;

describe('reset and state', function () {
  this.timeout(30_000);

  it('are what the software core has of them, and can be asked for', async () => {
    const machine = new SoftwareMachine();
    await machine.addDevice({ name: NAME, model: 'testdev' });
    const engine = new Engine({ machine });
    const device = await engine.attach(NAME, { busMaster: true });
    try {
      const command = await device.config.read16(COMMAND);
      await device.reset();
      assert.equal(await device.config.read16(COMMAND), command);
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

  describe('of a slot with two functions', () => {
    const DEVICES = [
      { id: 7, segment: 0, bus: 1, devfn: 0 },
      { id: 8, segment: 0, bus: 1, devfn: 9 },
    ];
    let shown: (readonly number[])[];

    function attached(flags: number, groups: Record<string, number>, error?: Error): AttachedDevice {
      shown = [];
      const kernel = {
        getHotResetInfo: () => ({ flags, devices: DEVICES }),
        hotReset: (_: number, fds: readonly number[]) => {
          shown.push(fds);
          return error === undefined ? Promise.resolve() : Promise.reject(error);
        },
      };
      return { kernel, deviceFd: 3, groupFd: (id: string) => groups[id] } as unknown as AttachedDevice;
    }

    it('shows the groups of all', async () => {
      const both = attached(0, { 7: 70, 8: 80 });
      assert.deepEqual(queryHotReset(both), [
        { name: '0000:01:00.0', groupId: '7', owned: true },
        { name: '0000:01:01.1', groupId: '8', owned: true },
      ]);
      await hotReset(both, '0000:01:00.0');
      assert.deepEqual(shown, [[70, 80]]);
      await hotReset(attached(0, { 7: 70, 8: 70 }), '0000:01:00.0');
      assert.deepEqual(shown, [[70]]);
    });

    it('shows nothing where the iommufd owns them', async () => {
      await hotReset(attached(VFIO_PCI_HOT_RESET_FLAG_DEV_ID, {}), '0000:01:00.0');
      assert.deepEqual(shown, [[]]);
    });

    it('is not asked for while one is not owned', async () => {
      const failure = { code: 'EPERM', device: '0000:01:00.0', message: /also affects 0000:01:01\.1: attach them too/ };
      await assert.rejects(hotReset(attached(0, { 7: 70 }), '0000:01:00.0'), failure);
      assert.deepEqual(shown, []);
    });

    it('fails with what the kernel says, what that means and what it is of', async () => {
      const failing = attached(0, { 7: 70, 8: 80 }, systemError('ENOTTY', 'ioctl(VFIO_DEVICE_PCI_HOT_RESET)'));
      await assert.rejects(hotReset(failing, '0000:01:00.0'), {
        code: 'ENOTTY',
        message: /did not come back.*affects 0000:01:00\.0, 0000:01:01\.1/,
      });
    });
  });
});
