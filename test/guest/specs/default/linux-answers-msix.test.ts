import assert from 'node:assert/strict';
import type { Fd } from '../../../../lib/kernel/kernel.js';
import { queryInfos } from '../../../../lib/device/query-infos.js';
import { addon } from '../../../../lib/native/addon.js';
import { BDF } from '../../devices.js';
import { answers } from '../../support/answer-rows.js';
import { RealDevice } from '../../support/real-device.js';

const MSIX = 2;
const ERR = 3;
/** Data types and actions of SET_IRQS. */
const [NONE, EVENTFD, TRIGGER] = [1, 4, 32];

describe('the answers of the real kernel: nvme, whose MSI-X table lies in BAR 0', () => {
  const nvme = new RealDevice(BDF.nvme);
  const { kernel } = nvme;
  let eventfds: Fd[];
  before(async () => {
    await nvme.openDevice();
    eventfds = [addon.eventfdCreate(), addon.eventfdCreate()];
  });
  after(async () => {
    eventfds.forEach((fd) => addon.closeFdSync(fd));
    await nvme.close();
  });

  const set = (start: number, count: number): Promise<void> => {
    const chosen = eventfds.slice(0, count);
    return kernel.setIrqs(nvme.device, { flags: EVENTFD | TRIGGER, index: MSIX, start, count, eventfds: chosen });
  };
  const none = (start: number, count: number): Promise<void> =>
    kernel.setIrqs(nvme.device, { flags: NONE | TRIGGER, index: MSIX, start, count });

  it('returns the capability chain if argsz has room for it, and queries again by itself', () => {
    assert.deepEqual(kernel.getRegionInfo(nvme.device, 0, 32), {
      ...{ index: 0, flags: 0xf, size: 0x4000n, offset: 0n },
      capabilities: {},
    });
    assert.deepEqual(kernel.getRegionInfo(nvme.device, 0).capabilities, { msixMappable: true });
    assert.deepEqual(kernel.getRegionInfo(nvme.device, 0, 40).capabilities, { msixMappable: true });
  });

  it('returns the same from one query as from many', () => {
    const oneByOne = { ...kernel, getDeviceInfos: undefined };
    const info = kernel.getDeviceInfo(nvme.device);
    const all = kernel.getDeviceInfos?.(nvme.device, info);
    assert.deepEqual(all, queryInfos(oneByOne, nvme.device, info, 'nvme'));
    assert.deepEqual(all?.regions[0]?.capabilities, { msixMappable: true });
    assert.ok(all?.regions.includes(undefined));
  });

  answers([
    ['GET_IRQ_INFO MSI-X', '0x41', () => kernel.getIrqInfo(nvme.device, MSIX).count],
    ['GET_IRQ_INFO ERR', '1', () => kernel.getIrqInfo(nvme.device, ERR).count],
    ['the first two vectors', '0', () => set(0, 2)],
    ['a third', '0', () => set(2, 1)],
    ['one behind a gap', '0', () => set(10, 1)],
    ['two from the last on', 'EINVAL', () => set(64, 2)],
    ['loopback of vector 1', '0', () => none(1, 1)],
    ['the count of eventfd 0', '0', () => addon.eventfdRead(eventfds[0] ?? -1)],
    ['the count of eventfd 1', '1', () => addon.eventfdRead(eventfds[1] ?? -1)],
    ['disable', '0', () => none(0, 0)],
    ['RESET', '0', () => kernel.resetDevice(nvme.device)],
  ]);
});
