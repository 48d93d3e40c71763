/** Serves a device that has config space alone: plain bytes, all of them writable. `workerData` is a `ServedBytes`. */
import { workerData } from 'node:worker_threads';

import { systemError } from '../../lib/base/errors.js';
import { VFIO_DEVICE_FLAGS_PCI, VFIO_DEVICE_FLAGS_RESET } from '../../lib/uapi/vfio.js';
import { OwnedResources } from '../../lib/vfio-user/server/owned-resources.js';
import type { ServedDevice } from '../../lib/vfio-user/server/served-device.js';
import { VfioUserServer } from '../../lib/vfio-user/server/vfio-user-server.js';

/** What the thread serves. */
export interface ServedBytes {
  /** The server's end of a pair of sockets, which the starter closes. */
  readonly socket: number;
  /** Config space, 256 or 4096 bytes. Shared with the test. */
  readonly bytes: Uint8Array;
  /** Counts resets. Shared with the test. */
  readonly resets: Int32Array;
}

const { socket, bytes, resets } = workerData as ServedBytes;
const absent = (): never => {
  throw systemError('EINVAL', 'test device');
};
const device: ServedDevice = {
  getInfo: () => ({ flags: VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET, numRegions: 9, numIrqs: 5 }),
  getRegionInfo: absent,
  getIrqInfo: absent,
  setIrqs: () => undefined,
  checkAccess: ({ count }) => count,
  readRegion: (_index, offset, target) => target.set(bytes.subarray(offset, offset + target.length)),
  writeRegion: (_index, offset, source) => bytes.set(source, offset),
  reset: () => void Atomics.add(resets, 0, 1),
  runTimers: () => Infinity,
  connect: () => undefined,
  disconnect: () => undefined,
};
const server = new VfioUserServer(device, socket, new OwnedResources(OwnedResources.memory()));
while (server.serve(-1));
server.close();
