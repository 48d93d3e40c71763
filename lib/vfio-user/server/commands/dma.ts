import { systemError } from '../../../base/errors.js';
import * as wire from '../../protocol/protocol.js';
import type { CommandContext, Reply } from './command.js';

/** DMA_MAP. Uses the first descriptor; without one, the server reaches the memory by messages. */
export function dmaMap({ dmaRanges, fds }: CommandContext, payload: Uint8Array): Reply {
  dmaRanges.add(wire.decodeDmaMap(payload), () => fds.take());
  return {};
}

/** DMA_UNMAP */
export function dmaUnmap({ dmaRanges }: CommandContext, payload: Uint8Array): Reply {
  const unmap = wire.decodeDmaUnmap(payload);
  if (unmap.flags !== 0) throw systemError('EINVAL', 'vfio-user(DMA_UNMAP)');
  dmaRanges.remove(unmap.iova, unmap.size);
  return { payload: wire.encodeDmaUnmap(unmap) };
}
