import { withContext } from '../../base/errors.js';
import { addon } from '../../native/addon.js';
import type { Unmapped } from '../../native/linux.js';
import { linuxSysfs } from '../../sysfs/linux.js';
import { VFIO_DMA_UNMAP_FLAG_ALL, VFIO_PCI_ERR_IRQ_INDEX } from '../../uapi/vfio.js';
import {
  IOMMU_INFO_SIZE,
  parseDeviceInfos,
  parseIommuInfo,
  parseRegionInfo,
  REGION_INFO_SIZE,
  wantedArgsz,
} from './parse-infos.js';
import type { DeviceExtras } from '../device-extras.js';
import { dmaCalls } from './dma-scheduler.js';
import type { IommufdKernel } from '../iommufd.js';
import type { DmaUnmapResult, Fd, IommuInfo, IrqSet, RegionInfo, VfioKernel } from '../kernel.js';
import { linuxDeviceExtras } from './device-extras.js';
import { linuxFiles } from './files.js';
import { linuxIommufd } from './iommufd.js';
import { finished, opening, promised } from '../../base/sync-or-async.js';

/** The machine's kernel, with what it has beyond the seam. */
export type LinuxKernel = VfioKernel & IommufdKernel & DeviceExtras;

/** Gives the machine's own kernel. Nothing is opened or asked yet. */
export function linuxKernel(): LinuxKernel {
  return { ...containerCalls, ...groupCalls, ...deviceCalls, ...linuxIommufd, ...linuxDeviceExtras };
}

const LAST_ADDRESS = (1n << 64n) - 1n;
const PROT_READ = 1;
const PROT_WRITE = 2;
const NO_BITMAP = { pageSize: 0n, size: 0n };
/** No chain of capabilities is longer; the addon takes no larger argsz. */
const LARGEST_ARGSZ = 1 << 20;

type ContainerCall =
  | 'openContainer'
  | 'getApiVersion'
  | 'checkExtension'
  | 'setIommu'
  | 'getIommuInfo'
  | 'mapDma'
  | 'mapDmaPieces'
  | 'unmapDma'
  | 'setDirtyTracking'
  | 'getDirtyBitmap';

const containerCalls: Pick<VfioKernel, 'kind' | 'sysfs' | 'close' | ContainerCall> = {
  kind: 'linux',
  sysfs: linuxSysfs,
  close: (fd) => linuxFiles.close(fd),
  openContainer: () => opening('/dev/vfio/vfio', () => addon.containerOpen()),
  getApiVersion: (container) => addon.containerGetApiVersion(container),
  checkExtension: (container, extension) => addon.containerCheckExtension(container, extension),
  setIommu: (container, type) => promised(() => addon.containerSetIommu(container, type)),
  getIommuInfo,
  mapDma: (container, { argsz, flags, vaddr, iova, size }) => {
    linuxFiles.map(container);
    return dmaCalls.make(container, size, (sleeps) =>
      argsz === undefined
        ? addon.type1MapDma(container, flags, vaddr, iova, size, sleeps)
        : addon.type1MapDma(container, flags, vaddr, iova, size, sleeps, argsz),
    );
  },
  mapDmaPieces: (container, flags, { vaddr, offsets, iova, pieceSize }) => {
    linuxFiles.map(container);
    return dmaCalls.makeAll(container, { count: offsets.length, size: pieceSize }, (sleeps) =>
      addon.type1MapPieces(container, flags, vaddr, offsets, iova, pieceSize, sleeps),
    );
  },
  unmapDma: (container, { argsz, flags, iova, size, bitmap }) => {
    const extent = (flags & VFIO_DMA_UNMAP_FLAG_ALL) === 0 ? size : LAST_ADDRESS;
    return dmaCalls.make(container, extent, (sleeps) => {
      const plain = argsz === undefined && bitmap === undefined;
      const { pageSize, size: bitmapSize } = bitmap ?? NO_BITMAP;
      const unmapped = plain
        ? addon.type1UnmapDma(container, flags, iova, size, sleeps)
        : addon.type1UnmapDma(container, flags, iova, size, sleeps, argsz, pageSize, bitmapSize);
      return unmapped instanceof Promise ? unmapped.then(resultOf) : resultOf(unmapped);
    });
  },
  setDirtyTracking: (container, enabled) =>
    dmaCalls.onPool(container, () => addon.type1SetDirtyTracking(container, enabled)),
  getDirtyBitmap: (container, { iova, size, pageSize }) =>
    dmaCalls.onPool(container, () =>
      addon.type1GetDirtyBitmap(container, iova, size, pageSize, bitmapSizeOf(size, pageSize)),
    ),
};

const groupCalls: Pick<VfioKernel, 'openGroup' | 'getGroupStatus' | 'setContainer' | 'unsetContainer' | 'getDeviceFd'> =
  {
    openGroup: (name) => opening(`/dev/vfio/${name}`, () => addon.groupOpen(name)),
    getGroupStatus: (group, argsz) => ({ flags: addon.groupGetStatus(group, argsz) }),
    setContainer: (group, container) =>
      promised(() => {
        const sleeps = linuxFiles.isMapped(container);
        const done = (): void => linuxFiles.joined(group, container);
        return finished(addon.groupSetContainer(group, container, sleeps), done);
      }),
    unsetContainer: (group) =>
      promised(() => {
        const sleeps = linuxFiles.isAmongMapped(group);
        return finished(addon.groupUnsetContainer(group, sleeps), () => linuxFiles.left(group));
      }),
    getDeviceFd: (group, name) =>
      addon.groupGetDeviceFd(group, name).then(
        (device) => linuxFiles.addDevice(device),
        (error: unknown) => {
          throw withContext(error, { device: name });
        },
      ),
  };

const deviceCalls: Pick<
  VfioKernel,
  | 'getDeviceInfo'
  | 'getRegionInfo'
  | 'getIrqInfo'
  | 'getDeviceInfos'
  | 'setIrqs'
  | 'resetDevice'
  | 'pread'
  | 'pwrite'
  | 'mmap'
  | 'ioTarget'
> = {
  getDeviceInfo: (device, argsz) => addon.deviceGetInfo(device, argsz),
  getRegionInfo,
  getIrqInfo: (device, irqIndex, argsz) => addon.deviceGetIrqInfo(device, irqIndex, argsz),
  getDeviceInfos: (device, { numRegions, numIrqs }) =>
    parseDeviceInfos(...addon.deviceGetInfos(device, numRegions, numIrqs)),
  setIrqs: (device, set) => {
    // The kernel's own interrupts take nothing of the machine's.
    const sleeps = set.index < VFIO_PCI_ERR_IRQ_INDEX;
    const { argsz, flags, index, start, count } = set;
    return promised(() => addon.deviceSetIrqs(device, argsz, flags, index, start, count, irqData(set), sleeps));
  },
  resetDevice: (device) => addon.deviceReset(device),
  pread: (device, fileOffset, length) => addon.devicePread(device, fileOffset, length),
  pwrite: (device, fileOffset, data) => addon.devicePwrite(device, fileOffset, data),
  mmap: (device, fileOffset, length, prot) =>
    promised(() =>
      addon.mappingCreate(device, fileOffset, length, (prot.read ? PROT_READ : 0) | (prot.write ? PROT_WRITE : 0)),
    ),
  ioTarget: (device) => ({ kind: 'fd', fd: device }),
};

/** What the last answer took: containers of one machine answer alike, so most are asked once. */
let iommuInfoRoom = IOMMU_INFO_SIZE;

function getIommuInfo(container: Fd, argsz?: number): IommuInfo {
  const answer = withRoom((room) => addon.type1GetInfo(container, room), argsz, iommuInfoRoom);
  if (argsz === undefined) iommuInfoRoom = answer.length;
  return parseIommuInfo(answer);
}

function getRegionInfo(device: Fd, regionIndex: number, argsz?: number): RegionInfo {
  const ask = (room: number): Uint8Array => addon.deviceGetRegionInfo(device, regionIndex, room);
  return parseRegionInfo(withRoom(ask, argsz, REGION_INFO_SIZE));
}

/** Asks once with the caller's argsz; without one, with `room`, and again where the answer wants more. */
function withRoom(ask: (argsz: number) => Uint8Array, argsz: number | undefined, room: number): Uint8Array {
  const answer = ask(argsz ?? room);
  const wanted = wantedArgsz(answer);
  const again = argsz === undefined && wanted > room && wanted <= LARGEST_ARGSZ;
  return again ? ask(wanted) : answer;
}

function irqData({ eventfds, bools }: IrqSet): Uint8Array {
  if (eventfds === undefined) return bools ?? new Uint8Array(0);
  return new Uint8Array(new Int32Array(eventfds).buffer);
}

/** A bit a page in whole 64-bit words. A page size of 0 goes to the kernel, which refuses it. */
function bitmapSizeOf(size: bigint, pageSize: bigint): bigint {
  if (pageSize === 0n) return 0n;
  const pages = (size + pageSize - 1n) / pageSize;
  return ((pages + 63n) / 64n) * 8n;
}

function resultOf(unmapped: Unmapped): DmaUnmapResult {
  return typeof unmapped === 'bigint' ? { size: unmapped } : { size: unmapped[0], bitmap: unmapped[1] };
}
