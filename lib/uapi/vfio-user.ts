/** Numbers of the vfio-user protocol, version 0.0. Source: QEMU's docs/interop/vfio-user.rst. */

export const VFIO_USER_MAJOR = 0;
export const VFIO_USER_MINOR = 0;

export const VFIO_USER_VERSION = 1;
export const VFIO_USER_DMA_MAP = 2;
export const VFIO_USER_DMA_UNMAP = 3;
export const VFIO_USER_DEVICE_GET_INFO = 4;
export const VFIO_USER_DEVICE_GET_REGION_INFO = 5;
export const VFIO_USER_DEVICE_GET_REGION_IO_FDS = 6;
export const VFIO_USER_DEVICE_GET_IRQ_INFO = 7;
export const VFIO_USER_DEVICE_SET_IRQS = 8;
export const VFIO_USER_REGION_READ = 9;
export const VFIO_USER_REGION_WRITE = 10;
/** The two commands that a server sends to its client. */
export const VFIO_USER_DMA_READ = 11;
export const VFIO_USER_DMA_WRITE = 12;
export const VFIO_USER_DEVICE_RESET = 13;
export const VFIO_USER_REGION_WRITE_MULTI = 15;
export const VFIO_USER_DEVICE_FEATURE = 16;

/** The header's flags: bits 0 to 3 are the type. */
export const VFIO_USER_FLAGS_TYPE_MASK = 0xf;
export const VFIO_USER_FLAGS_COMMAND = 0;
export const VFIO_USER_FLAGS_REPLY = 1;
export const VFIO_USER_FLAGS_NO_REPLY = 1 << 4;
export const VFIO_USER_FLAGS_ERROR = 1 << 5;

export const VFIO_USER_DMA_MAP_FLAG_READ = 1 << 0;
export const VFIO_USER_DMA_MAP_FLAG_WRITE = 1 << 1;

/** What a peer that does not name a capability is taken to mean. */
export const VFIO_USER_DEFAULT_MAX_MSG_FDS = 1;
export const VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE = 1 << 20;
export const VFIO_USER_DEFAULT_MAX_DMA_MAPS = 65535;
export const VFIO_USER_DEFAULT_PGSIZES = 4096;
