import * as wire from '../../protocol/protocol.js';
import type { Command } from './command.js';
import { deviceFeature } from './device-feature.js';
import { deviceGetInfo, deviceReset } from './device.js';
import { dmaMap, dmaUnmap } from './dma.js';
import { deviceGetIrqInfo, deviceSetIrqs } from './irqs.js';
import { regionRead, regionWrite, regionWriteMulti } from './region-access.js';
import { deviceGetRegionInfo, deviceGetRegionIoFds } from './region-info.js';

/** The commands after VERSION, by number. The server answers others with EOPNOTSUPP. */
export const COMMANDS: ReadonlyMap<number, Command> = new Map<number, Command>([
  [wire.VFIO_USER_DMA_MAP, dmaMap],
  [wire.VFIO_USER_DMA_UNMAP, dmaUnmap],
  [wire.VFIO_USER_DEVICE_GET_INFO, deviceGetInfo],
  [wire.VFIO_USER_DEVICE_GET_REGION_INFO, deviceGetRegionInfo],
  [wire.VFIO_USER_DEVICE_GET_REGION_IO_FDS, deviceGetRegionIoFds],
  [wire.VFIO_USER_DEVICE_GET_IRQ_INFO, deviceGetIrqInfo],
  [wire.VFIO_USER_DEVICE_SET_IRQS, deviceSetIrqs],
  [wire.VFIO_USER_REGION_READ, regionRead],
  [wire.VFIO_USER_REGION_WRITE, regionWrite],
  [wire.VFIO_USER_REGION_WRITE_MULTI, regionWriteMulti],
  [wire.VFIO_USER_DEVICE_RESET, deviceReset],
  [wire.VFIO_USER_DEVICE_FEATURE, deviceFeature],
]);
