import { irqData } from '../irq-data.js';
import { withContext } from '../../base/errors.js';
import { LAST_ADDRESS } from '../../base/iova-range.js';
import { PROT_READ, PROT_WRITE } from '../../uapi/mman.js';
import { addon } from '../../native/addon.js';
import type { Unmapped } from '../../native/linux.js';
import { linuxSysfs } from '../../sysfs/linux-sysfs.js';
import { VFIO_DMA_UNMAP_FLAG_ALL, VFIO_PCI_ERR_IRQ_INDEX } from '../../uapi/vfio.js';
import { VFIO_IOMMU_TYPE1_INFO_SIZE, VFIO_REGION_INFO_MINSZ } from '../../uapi/vfio-sizes.js';
import { parseDeviceInfos, parseIommuInfo, parseRegionInfo, wantedArgsz } from './parse-infos.js';
import type { DeviceExtras } from '../device-extras.js';
import { dmaScheduler } from './dma-scheduler.js';
import type { IommufdKernel } from '../iommufd.js';
import type { DmaUnmapResult, Fd, IommuInfo, RegionInfo, VfioKernel } from '../kernel.js';
import { linuxDeviceExtras } from './device-extras.js';
import { linuxDescriptors } from './descriptors.js';
import { linuxIommufd } from './iommufd.js';
import { runAfter, openNode, toPromise } from '../../base/sync-or-async.js';

/** The real kernel: VFIO, iommufd, and the device operations that only it has. */
export type LinuxKernel = VfioKernel & IommufdKernel & DeviceExtras;

/** Makes an object for the kernel of this machine. It opens nothing. Thread: the one that calls it. */
export function linuxKernel(): LinuxKernel {
  return { ...containerCalls, ...groupCalls, ...deviceCalls, ...linuxIommufd, ...linuxDeviceExtras };
}

const NO_BITMAP = { pageSize: 0n, size: 0n };
/** The largest argsz that the addon takes, bytes. No capability chain is longer. */
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
  close: (fd) => linuxDescriptors.close(fd),
  openContainer: () => openNode('/dev/vfio/vfio', () => addon.containerOpen()),
  getApiVersion: (container) => addon.containerGetApiVersion(container),
  checkExtension: (container, extension) => addon.containerCheckExtension(container, extension),
  setIommu: (container, type) => toPromise(() => addon.containerSetIommu(container, type)),
  getIommuInfo: queryIommuInfo,
  mapDma: (container, { argsz, flags, vaddr, iova, size }) => {
    linuxDescriptors.noteMapped(container);
    return dmaScheduler.run(container, size, (sleeps) =>
      argsz === undefined
        ? addon.type1MapDma(container, flags, vaddr, iova, size, sleeps)
        : addon.type1MapDma(container, flags, vaddr, iova, size, sleeps, argsz),
    );
  },
  mapDmaPieces: (container, flags, { vaddr, offsets, iova, pieceSize }) => {
    linuxDescriptors.noteMapped(container);
    return dmaScheduler.runMany(container, { count: offsets.length, size: pieceSize }, (sleeps) =>
      addon.type1MapPieces(container, flags, vaddr, offsets, iova, pieceSize, sleeps),
    );
  },
  unmapDma: (container, { argsz, flags, iova, size, bitmap }) => {
    const extent = (flags & VFIO_DMA_UNMAP_FLAG_ALL) === 0 ? size : LAST_ADDRESS;
    return dmaScheduler.run(container, extent, (sleeps) => {
      const plain = argsz === undefined && bitmap === undefined;
      const { pageSize, size: bitmapSize } = bitmap ?? NO_BITMAP;
      const unmapped = plain
        ? addon.type1UnmapDma(container, flags, iova, size, sleeps)
        : addon.type1UnmapDma(container, flags, iova, size, sleeps, argsz, pageSize, bitmapSize);
      return unmapped instanceof Promise ? unmapped.then(toUnmapResult) : toUnmapResult(unmapped);
    });
  },
  setDirtyTracking: (container, enabled) =>
    dmaScheduler.runOnPool(container, () => addon.type1SetDirtyTracking(container, enabled)),
  getDirtyBitmap: (container, { iova, size, pageSize }) =>
    dmaScheduler.runOnPool(container, () =>
      addon.type1GetDirtyBitmap(container, iova, size, pageSize, bitmapSizeOf(size, pageSize)),
    ),
};

const groupCalls: Pick<VfioKernel, 'openGroup' | 'getGroupStatus' | 'setContainer' | 'unsetContainer' | 'getDeviceFd'> =
  {
    openGroup: (name) => openNode(`/dev/vfio/${name}`, () => addon.groupOpen(name)),
    getGroupStatus: (group, argsz) => ({ flags: addon.groupGetStatus(group, argsz) }),
    setContainer: (group, container) =>
      toPromise(() => {
        const sleeps = linuxDescriptors.isMapped(container);
        const done = (): void => linuxDescriptors.noteJoined(group, container);
        return runAfter(addon.groupSetContainer(group, container, sleeps), done);
      }),
    unsetContainer: (group) =>
      toPromise(() => {
        const sleeps = linuxDescriptors.isInMappedSpace(group);
        return runAfter(addon.groupUnsetContainer(group, sleeps), () => linuxDescriptors.noteLeft(group));
      }),
    getDeviceFd: (group, name) =>
      addon.groupGetDeviceFd(group, name).then(
        (device) => linuxDescriptors.addDevice(device),
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
  | 'restoreMapping'
  | 'ioTarget'
> = {
  getDeviceInfo: (device, argsz) => addon.deviceGetInfo(device, argsz),
  getRegionInfo: queryRegionInfo,
  getIrqInfo: (device, irqIndex, argsz) => addon.deviceGetIrqInfo(device, irqIndex, argsz),
  getDeviceInfos: (device, { numRegions, numIrqs }) =>
    parseDeviceInfos(...addon.deviceGetInfos(device, numRegions, numIrqs)),
  setIrqs: (device, set) => {
    // ERR and REQ are software events: they take no interrupt vector of the host.
    const sleeps = set.index < VFIO_PCI_ERR_IRQ_INDEX;
    const { argsz, flags, index, start, count } = set;
    return toPromise(() => addon.deviceSetIrqs(device, argsz, flags, index, start, count, irqData(set), sleeps));
  },
  resetDevice: (device) => addon.deviceReset(device),
  pread: (device, fileOffset, length) => addon.devicePread(device, fileOffset, length),
  pwrite: (device, fileOffset, data) => addon.devicePwrite(device, fileOffset, data),
  mmap: (device, fileOffset, length, prot) =>
    toPromise(() =>
      addon.mappingCreate(device, fileOffset, length, (prot.read ? PROT_READ : 0) | (prot.write ? PROT_WRITE : 0)),
    ),
  restoreMapping: (device, mapping, fileOffset) => addon.mappingRestore(mapping, device, fileOffset),
  ioTarget: (device) => ({ kind: 'fd', fd: device }),
};

/** The size of the last answer, bytes. The containers of a machine give answers of equal size: most need one call. */
let iommuInfoSize = VFIO_IOMMU_TYPE1_INFO_SIZE;

function queryIommuInfo(container: Fd, argsz?: number): IommuInfo {
  const answer = queryWithRoom((room) => addon.type1GetInfo(container, room), argsz, iommuInfoSize);
  if (argsz === undefined) iommuInfoSize = answer.length;
  return parseIommuInfo(answer);
}

function queryRegionInfo(device: Fd, regionIndex: number, argsz?: number): RegionInfo {
  const ask = (room: number): Uint8Array => addon.deviceGetRegionInfo(device, regionIndex, room);
  return parseRegionInfo(queryWithRoom(ask, argsz, VFIO_REGION_INFO_MINSZ));
}

/** Queries with the caller's argsz. Without one, queries with `room` bytes, and again if the answer needs more. */
function queryWithRoom(ask: (argsz: number) => Uint8Array, argsz: number | undefined, room: number): Uint8Array {
  const answer = ask(argsz ?? room);
  const wanted = wantedArgsz(answer);
  const again = argsz === undefined && wanted > room && wanted <= LARGEST_ARGSZ;
  return again ? ask(wanted) : answer;
}

/** The size of a bitmap, bytes: a bit for each page, in whole 64-bit words. The kernel rejects a page size of 0. */
function bitmapSizeOf(size: bigint, pageSize: bigint): bigint {
  if (pageSize === 0n) return 0n;
  const pages = (size + pageSize - 1n) / pageSize;
  return ((pages + 63n) / 64n) * 8n;
}

function toUnmapResult(unmapped: Unmapped): DmaUnmapResult {
  return typeof unmapped === 'bigint' ? { size: unmapped } : { size: unmapped[0], bitmap: unmapped[1] };
}
