import { systemError } from '../base/errors.js';
import type { ConnectionHandle, Fd } from '../kernel/kernel.js';
import { addon } from '../native/addon.js';
import {
  decodeRegionAccess,
  decodeRegionData,
  encodeRegionAccess,
  VFIO_USER_REGION_READ,
  VFIO_USER_REGION_WRITE,
  type WireRegionAccess,
} from '../vfio-user/protocol/protocol.js';
import type { AccessRoute } from './messages.js';

/** Transfers to and from a device that never block this thread. */
export interface Transfers {
  /** @returns the bytes read; fewer at the end of the region */
  read(access: WireRegionAccess): Promise<Uint8Array>;
  /** @returns how many bytes were written */
  write(access: WireRegionAccess, data: Uint8Array): Promise<number>;
}

/** Returns the transfers of a device: by its file, or by its connection. */
export function transfersOf({ target, fileOffsets }: AccessRoute): Transfers {
  return target.kind === 'fd' ? byFile(target.fd, fileOffsets) : byConnection(target.connection);
}

function byFile(fd: Fd, fileOffsets: AccessRoute['fileOffsets']): Transfers {
  const offsetOf = ({ regionIndex, regionOffset }: WireRegionAccess): bigint => {
    const start = fileOffsets[regionIndex];
    if (start === undefined) throw systemError('EINVAL', 'pread');
    return start + BigInt(regionOffset);
  };
  return {
    read: async (access) => addon.devicePread(fd, offsetOf(access), access.count),
    write: async (access, data) => addon.devicePwrite(fd, offsetOf(access), data),
  };
}

function byConnection(connection: ConnectionHandle): Transfers {
  const request = async (command: number, payload: Uint8Array): Promise<Uint8Array> =>
    (await addon.connectionRequest(connection, command, payload, [])).payload;
  return {
    read: async (access) => decodeRegionData(await request(VFIO_USER_REGION_READ, encodeRegionAccess(access))).data,
    write: async (access, data) =>
      decodeRegionAccess(await request(VFIO_USER_REGION_WRITE, encodeRegionAccess(access, data))).count,
  };
}
