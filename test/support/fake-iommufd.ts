import type { KernelWithIommufd } from '../../lib/backends/iommufd/ioas.js';
import { systemError } from '../../lib/base/errors.js';
import { IOMMU_HW_CAP_DIRTY_TRACKING } from '../../lib/uapi/iommufd.js';

/** A device of the fake kernel: `last` is the last IOVA that its IOMMU can map. */
export interface FakeDevice {
  readonly last: bigint;
  readonly tracks: boolean;
  /** Whether attaching it to an address space fails. Default false. */
  readonly refused?: boolean;
}

/** Makes a kernel with the parts of iommufd that an attach uses. Device N has the folder `/sys/N` and the node `vfioN`. */
export function fakeIommufd(devices: readonly FakeDevice[]): { kernel: KernelWithIommufd; calls: string[] } {
  const calls: string[] = [];
  const open = new Map<number, number>();
  const attached = new Set<number>();
  let next = 100;
  const deviceOf = (fd: number): FakeDevice => devices[open.get(fd) as number] as FakeDevice;
  const kernel = {
    kind: 'linux',
    sysfs: {
      exists: () => Promise.resolve(true),
      readdir: (path: string) => Promise.resolve([`vfio${path.split('/')[2]}`]),
      readlink: () => Promise.resolve('../7'),
      readFile: () => Promise.resolve(new Uint8Array(0)),
    },
    openIommufd: () => Promise.resolve(next++),
    openCdev: (name: string) => {
      open.set(next, Number(name.slice(4)));
      return Promise.resolve(next++);
    },
    bindIommufd: (device: number) => Promise.resolve(device),
    allocIoas: () => next++,
    allocHwpt: () => Promise.resolve(next++),
    destroy: () => Promise.resolve(),
    close: (fd: number) => {
      open.delete(fd);
      return Promise.resolve();
    },
    getHwInfo: (_: number, device: number) => ({
      type: 0,
      capabilities: deviceOf(device).tracks ? IOMMU_HW_CAP_DIRTY_TRACKING : 0n,
      data: new Uint8Array(),
    }),
    attachIommufdPt: (device: number, table: number) => {
      if (deviceOf(device).refused) return Promise.reject(systemError('EBUSY', 'ioctl(VFIO_DEVICE_ATTACH_IOMMUFD_PT)'));
      attached.add(device);
      return Promise.resolve(table);
    },
    detachIommufdPt: (device: number) => {
      attached.delete(device);
      return Promise.resolve();
    },
    getIovaRanges: () => {
      calls.push('getIovaRanges');
      const lasts = [...attached].map((device) => deviceOf(device).last);
      return {
        iovaAlignment: 4096n,
        ranges: [{ start: 0n, last: lasts.reduce((one, other) => (one < other ? one : other)) }],
      };
    },
    getDeviceInfo: () => ({ flags: 0, numRegions: 0, numIrqs: 0 }),
  };
  return { kernel: kernel as unknown as KernelWithIommufd, calls };
}
