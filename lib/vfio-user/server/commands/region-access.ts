import * as wire from '../../protocol/protocol.js';
import type { CommandContext, Reply } from './command.js';

/** REGION_READ. At the end of a region it returns fewer bytes than asked for. */
export function regionRead({ device }: CommandContext, payload: Uint8Array): Reply {
  const access = wire.decodeRegionAccess(payload);
  const count = device.checkAccess({ ...access, write: false });
  const data = new Uint8Array(count);
  device.readRegion(access.regionIndex, access.regionOffset, data);
  return { payload: wire.encodeRegionAccess({ ...access, count }, data) };
}

/** REGION_WRITE. At the end of a region it writes fewer bytes than asked for. */
export function regionWrite({ device, allowEarlyReply }: CommandContext, payload: Uint8Array): Reply {
  const { data, ...access } = wire.decodeRegionData(payload);
  const count = device.checkAccess({ ...access, write: true });
  const reply = { payload: wire.encodeRegionAccess({ ...access, count }) };
  allowEarlyReply(reply);
  device.writeRegion(access.regionIndex, access.regionOffset, data.subarray(0, count));
  return reply;
}

/** REGION_WRITE_MULTI. Stops at the first write that fails: the reply is its error, or the count of writes before it. */
export function regionWriteMulti({ device, allowEarlyReply }: CommandContext, payload: Uint8Array): Reply {
  const writes = wire.decodeRegionWriteMulti(payload);
  allowEarlyReply({ payload: wire.encodeRegionWriteMultiReply(writes.length) });
  let done = 0;
  try {
    for (const { data, ...place } of writes) {
      const count = device.checkAccess({ ...place, count: data.length, write: true });
      device.writeRegion(place.regionIndex, place.regionOffset, data.subarray(0, count));
      done += 1;
    }
  } catch (error) {
    if (done === 0) throw error;
  }
  return { payload: wire.encodeRegionWriteMultiReply(done) };
}
