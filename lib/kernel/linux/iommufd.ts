import { addon } from '../../native/addon.js';
import { IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR } from '../../uapi/iommufd.js';
import { dmaScheduler } from './dma-scheduler.js';
import type { IommufdKernel } from '../iommufd.js';
import { linuxDescriptors } from './descriptors.js';
import { openNode, toPromise } from '../../base/sync-or-async.js';

/** The iommufd operations of the real kernel. */
export const linuxIommufd: IommufdKernel = {
  openIommufd: () => openNode('/dev/iommu', () => addon.iommufdOpen()),
  openCdev: (name) =>
    openNode(`/dev/vfio/devices/${name}`, () => addon.cdevOpen(name)).then((device) =>
      linuxDescriptors.addDevice(device),
    ),
  bindIommufd: async (device, iommufd) => {
    const id = await addon.cdevBindIommufd(device, iommufd);
    linuxDescriptors.noteJoined(device, iommufd);
    return id;
  },
  attachIommufdPt: (device, ptId) =>
    toPromise(() => addon.cdevAttachIommufdPt(device, ptId, linuxDescriptors.isInMappedSpace(device))),
  detachIommufdPt: (device) =>
    toPromise(() => addon.cdevDetachIommufdPt(device, linuxDescriptors.isInMappedSpace(device))),

  destroy: (iommufd, id) => toPromise(() => addon.iommuDestroy(iommufd, id, linuxDescriptors.isMapped(iommufd))),
  allocIoas: (iommufd) => addon.ioasAlloc(iommufd),
  getIovaRanges: (iommufd, ioasId) => addon.ioasIovaRanges(iommufd, ioasId),
  allowIovas: (iommufd, ioasId, ranges) => {
    const words = ranges.flatMap(({ start, last }) => [start, last]);
    addon.ioasAllowIovas(iommufd, ioasId, BigUint64Array.from(words));
  },
  mapIoas: (iommufd, { ioasId, flags, vaddr, iova, size }) => {
    linuxDescriptors.noteMapped(iommufd);
    return dmaScheduler.run(iommufd, size, (sleeps) =>
      addon.ioasMap(iommufd, ioasId, flags, vaddr, iova, size, sleeps),
    );
  },
  mapIoasPieces: (iommufd, ioasId, flags, { vaddr, offsets, iova, pieceSize }) => {
    linuxDescriptors.noteMapped(iommufd);
    return dmaScheduler.runMany(iommufd, { count: offsets.length, size: pieceSize }, (sleeps) =>
      addon.ioasMapPieces(iommufd, ioasId, flags, vaddr, offsets, iova, pieceSize, sleeps),
    );
  },
  mapIoasFile: (iommufd, { ioasId, flags, file, start, iova, size }) => {
    linuxDescriptors.noteMapped(iommufd);
    return dmaScheduler.run(iommufd, size, (sleeps) =>
      addon.ioasMapFile(iommufd, ioasId, flags, file, start, iova, size, sleeps),
    );
  },
  unmapIoas: (iommufd, ioasId, iova, size) =>
    dmaScheduler.run(iommufd, size, (sleeps) => addon.ioasUnmap(iommufd, ioasId, iova, size, sleeps)),
  copyIoas: (iommufd, { flags, toIoasId, fromIoasId, toIova, fromIova, size }) => {
    linuxDescriptors.noteMapped(iommufd);
    return dmaScheduler.runOnPool(iommufd, () =>
      addon.ioasCopy(iommufd, flags, toIoasId, fromIoasId, toIova, fromIova, size),
    );
  },
  getOption: (iommufd, optionId, objectId) => addon.iommuOption(iommufd, false, optionId, objectId, 0n),
  setOption: (iommufd, optionId, objectId, value) => {
    addon.iommuOption(iommufd, true, optionId, objectId, value);
  },

  allocHwpt: (iommufd, flags, deviceId, ioasId) => addon.hwptAlloc(iommufd, flags, deviceId, ioasId),
  setHwptDirtyTracking: (iommufd, hwptId, enabled) => addon.hwptSetDirtyTracking(iommufd, hwptId, enabled),
  getHwptDirtyBitmap: (iommufd, hwptId, { iova, size, pageSize, keep }) => {
    const flags = keep === true ? IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR : 0;
    const bitmapSize = pageSize === 0n ? 0n : ((size / pageSize + 63n) / 64n) * 8n;
    return addon.hwptGetDirtyBitmap(iommufd, hwptId, flags, iova, size, pageSize, bitmapSize);
  },
  getHwInfo: (iommufd, deviceId) => addon.iommuGetHwInfo(iommufd, deviceId),
};
