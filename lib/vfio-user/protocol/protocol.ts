/**
 * The vfio-user protocol's messages: pure functions between bytes and values, for a client and a server alike. A
 * decoder throws `VfioError` with `ERR_PROTOCOL` for bytes that are no such message and nothing else; an encoder throws
 * `ERR_OUT_OF_RANGE` for a value that its field cannot hold. `decode…` is named after what it reads: the command
 * (`…Query` where command and reply differ) or the reply. All numbers are little endian, the host's order.
 *
 * Source: QEMU's docs/interop/vfio-user.rst, version 0.0.
 */
export * from '../../uapi/vfio-user.js';
export { protocolError } from './payload.js';
export * from './dma-map.js';
export * from './device-feature.js';
export * from './header.js';
export * from './irqs.js';
export * from './region-info.js';
export * from './region-access.js';
export * from './version.js';
