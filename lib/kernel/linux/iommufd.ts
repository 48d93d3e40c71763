import { addon } from '../../native/addon.js';
import { IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR } from '../../uapi/iommufd.js';
import { dmaCalls } from './dma-scheduler.js';
import type { IommufdKernel } from '../iommufd.js';
import { linuxFiles } from './files.js';
import { opening, promised } from '../../base/sync-or-async.js';

/** The real kernel's iommufd. */
export const linuxIommufd: IommufdKernel = {
  openIommufd: () => opening('/dev/iommu', () => addon.iommufdOpen()),
  openCdev: (name) =>
    opening(`/dev/vfio/devices/${name}`, () => addon.cdevOpen(name)).then((device) => linuxFiles.addDevice(device)),
  bindIommufd: async (device, iommufd) => {
    const id = await addon.cdevBindIommufd(device, iommufd);
    linuxFiles.joined(device, iommufd);
    return id;
  },
  attachIommufdPt: (device, ptId) =>
    promised(() => addon.cdevAttachIommufdPt(device, ptId, linuxFiles.isAmongMapped(device))),
  detachIommufdPt: (device) => promised(() => addon.cdevDetachIommufdPt(device, linuxFiles.isAmongMapped(device))),

  destroy: (iommufd, id) => promised(() => addon.iommuDestroy(iommufd, id, linuxFiles.isMapped(iommufd))),
  allocIoas: (iommufd) => addon.ioasAlloc(iommufd),
  getIovaRanges: (iommufd, ioasId) => addon.ioasIovaRanges(iommufd, ioasId),
  allowIovas: (iommufd, ioasId, ranges) => {
    const words = ranges.flatMap(({ start, last }) => [start, last]);
    addon.ioasAllowIovas(iommufd, ioasId, BigUint64Array.from(words));
  },
  mapIoas: (iommufd, { ioasId, flags, vaddr, iova, size }) => {
    linuxFiles.map(iommufd);
    return dmaCalls.make(iommufd, size, (sleeps) => addon.ioasMap(iommufd, ioasId, flags, vaddr, iova, size, sleeps));
  },
  mapIoasPieces: (iommufd, ioasId, flags, { vaddr, offsets, iova, pieceSize }) => {
    linuxFiles.map(iommufd);
    return dmaCalls.makeAll(iommufd, { count: offsets.length, size: pieceSize }, (sleeps) =>
      addon.ioasMapPieces(iommufd, ioasId, flags, vaddr, offsets, iova, pieceSize, sleeps),
    );
  },
  mapIoasFile: (iommufd, { ioasId, flags, file, start, iova, size }) => {
    linuxFiles.map(iommufd);
    return dmaCalls.make(iommufd, size, (sleeps) =>
      addon.ioasMapFile(iommufd, ioasId, flags, file, start, iova, size, sleeps),
    );
  },
  unmapIoas: (iommufd, ioasId, iova, size) =>
    dmaCalls.make(iommufd, size, (sleeps) => addon.ioasUnmap(iommufd, ioasId, iova, size, sleeps)),
  copyIoas: (iommufd, { flags, toIoasId, fromIoasId, toIova, fromIova, size }) => {
    linuxFiles.map(iommufd);
    return dmaCalls.onPool(iommufd, () => addon.ioasCopy(iommufd, flags, toIoasId, fromIoasId, toIova, fromIova, size));
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
