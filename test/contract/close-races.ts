import assert from 'node:assert/strict';

import { VfioError } from '../../lib/base/errors.js';
import type { Fd, VfioKernel } from '../../lib/kernel/kernel.js';
import { addon } from '../../lib/native/addon.js';
import {
  VFIO_DMA_MAP_FLAG_READ,
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_PCI_MSI_IRQ_INDEX,
  VFIO_TYPE1v2_IOMMU,
} from '../../lib/uapi/vfio.js';
import { allocateShared } from '../support/allocate-shared.js';

/** A device with MSI and a group of its own. */
export interface RacedDevice {
  readonly kernel: VfioKernel;
  /** The name of the device. */
  readonly name: string;
  /** The file name of its group in /dev/vfio. */
  readonly group: string;
}

/** The descriptors that a call can name. */
type Name = 'container' | 'group' | 'device' | 'eventfd';
type Files = Record<Name, Fd>;

/** A call that names descriptors. */
export interface RacedCall {
  readonly names: readonly Name[];
  /** How far the device is set up before the call. */
  readonly after: 'open' | 'joined' | 'iommu' | 'device';
  readonly call: (kernel: VfioKernel, files: Files, name: string) => Promise<unknown>;
  /** Whether it returns a descriptor, which the caller closes. */
  readonly opens?: boolean;
  /** An errno that it may answer whatever is closed. */
  readonly mayAnswer?: string;
}

const memory = allocateShared(4096);
// A function, because an address alone keeps no memory alive.
const map = (): Parameters<VfioKernel['mapDma']>[1] => ({
  flags: VFIO_DMA_MAP_FLAG_READ,
  vaddr: addon.bufferAddress(memory, 0),
  iova: 0n,
  size: 4096n,
});
const TRACKED = { iova: 0n, size: 4096n, pageSize: 4096n };
const msi = (eventfd: Fd): Parameters<VfioKernel['setIrqs']>[1] => ({
  flags: VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
  index: VFIO_PCI_MSI_IRQ_INDEX,
  start: 0,
  count: 1,
  eventfds: [eventfd],
});
const config = (kernel: VfioKernel, device: Fd): bigint =>
  kernel.getRegionInfo(device, VFIO_PCI_CONFIG_REGION_INDEX).offset;

/** Every call that can wait and that names descriptors. */
export const RACED_CALLS: Readonly<Record<string, RacedCall>> = {
  setContainer: {
    names: ['group', 'container'],
    after: 'open',
    call: (kernel, { group, container }) => kernel.setContainer(group, container),
  },
  unsetContainer: { names: ['group'], after: 'iommu', call: (kernel, { group }) => kernel.unsetContainer(group) },
  setIommu: {
    names: ['container'],
    after: 'joined',
    call: (kernel, { container }) => kernel.setIommu(container, VFIO_TYPE1v2_IOMMU),
  },
  mapDma: { names: ['container'], after: 'iommu', call: (kernel, { container }) => kernel.mapDma(container, map()) },
  unmapDma: {
    names: ['container'],
    after: 'iommu',
    call: (kernel, { container }) => kernel.unmapDma(container, { flags: 0, iova: 0n, size: 4096n }),
  },
  setDirtyTracking: {
    names: ['container'],
    after: 'iommu',
    call: (kernel, { container }) => kernel.setDirtyTracking(container, true),
  },
  getDirtyBitmap: {
    names: ['container'],
    after: 'iommu',
    call: (kernel, { container }) => kernel.getDirtyBitmap(container, TRACKED),
    mayAnswer: 'EINVAL',
  },
  getDeviceFd: {
    names: ['group'],
    after: 'iommu',
    call: (kernel, { group }, name) => kernel.getDeviceFd(group, name),
    opens: true,
  },
  setIrqs: {
    names: ['device', 'eventfd'],
    after: 'device',
    call: (kernel, { device, eventfd }) => kernel.setIrqs(device, msi(eventfd)),
  },
  resetDevice: {
    names: ['device'],
    after: 'device',
    call: (kernel, { device }) => kernel.resetDevice(device),
    mayAnswer: 'EINVAL',
  },
  pread: {
    names: ['device'],
    after: 'device',
    call: (kernel, { device }) => kernel.pread(device, config(kernel, device), 4),
  },
  pwrite: {
    names: ['device'],
    after: 'device',
    call: (kernel, { device }) => kernel.pwrite(device, config(kernel, device) + 4n, Uint8Array.of(0, 0)),
  },
};

/** Makes a call. @returns its value, or the errno that it may answer @throws any other error */
export async function answer(raced: RacedCall, kernel: VfioKernel, files: Files, name: string): Promise<unknown> {
  return raced.call(kernel, files, name).catch((error: unknown) => {
    if (error instanceof VfioError && error.code === raced.mayAnswer) return error.code;
    throw error;
  });
}

/** Opens the files of a device as far as a call needs them. */
export async function openFiles({ kernel, name, group }: RacedDevice, after: RacedCall['after']): Promise<Files> {
  const files: Files = { container: -1, group: -1, device: -1, eventfd: addon.eventfdCreate() };
  files.container = await kernel.openContainer();
  files.group = await kernel.openGroup(group);
  if (after === 'open') return files;
  await kernel.setContainer(files.group, files.container);
  if (after === 'joined') return files;
  await kernel.setIommu(files.container, VFIO_TYPE1v2_IOMMU);
  if (after === 'iommu') return files;
  files.device = await kernel.getDeviceFd(files.group, name);
  return files;
}

/** Closes the files that are open. */
async function closeFiles(kernel: VfioKernel, files: Files, closed?: Name): Promise<void> {
  if (closed !== 'eventfd') addon.closeFdSync(files.eventfd);
  for (const name of ['device', 'group', 'container'] as const) {
    if (name !== closed && files[name] >= 0) await kernel.close(files[name]);
  }
}

/**
 * Makes each call while each descriptor that it names is closed. Its file stays open until the call has returned, so that the
 * call works, or it fails with EBADF because the descriptor was closed before. Either way the device can be used again.
 */
export function describeCloseRaces(target: () => RacedDevice, leftovers: () => Promise<void>): void {
  for (const [title, raced] of Object.entries(RACED_CALLS)) {
    for (const closed of raced.names) {
      it(`${title} while its ${closed} is closed`, async () => {
        const device = target();
        const { kernel } = device;
        const files = await openFiles(device, raced.after);
        const calling = answer(raced, kernel, files, device.name).catch((error: unknown) => error);
        if (closed === 'eventfd') addon.closeFdSync(files.eventfd);
        else await kernel.close(files[closed]);
        const result = await calling;
        if (raced.opens === true && typeof result === 'number') await kernel.close(result);
        await closeFiles(kernel, files, closed);
        if (result instanceof Error) assert.equal((result as VfioError).code, 'EBADF', String(result));
        await leftovers();
        await closeFiles(kernel, await openFiles(device, 'device'));
      });
    }
  }
}
