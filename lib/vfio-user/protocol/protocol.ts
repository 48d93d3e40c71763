/**
 * The messages of the vfio-user protocol, one file for each family of commands. Pure functions between bytes and values,
 * for clients and servers. A decoder throws `VfioError` with `ERR_PROTOCOL` for bytes that are not such a message, and
 * nothing else. An encoder throws `ERR_OUT_OF_RANGE` for a value that does not fit its field. The name of a decoder tells
 * what it reads: a command (`decode...Query` where command and reply differ) or a reply. All numbers are little endian.
 *
 * Source: QEMU docs/interop/vfio-user.rst, version 0.0
 */
export * from '../../uapi/vfio-user.js';
export { protocolError } from './payload.js';
export * from './device-feature.js';
export * from './device-info.js';
export * from './dma-access.js';
export * from './dma-map.js';
export * from './header.js';
export * from './irqs.js';
export * from './region-access.js';
export * from './region-info.js';
export * from './version.js';
