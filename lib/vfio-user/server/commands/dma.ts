import { systemError } from '../../../base/errors.js';
import { VFIO_DMA_UNMAP_FLAG_ALL, VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP } from '../../../uapi/vfio.js';
import * as wire from '../../protocol/protocol.js';
import type { DmaRanges } from '../dma-ranges.js';
import { checkBitmap, writablePages } from '../unmap-bitmap.js';
import type { CommandContext, Reply } from './command.js';

/** DMA_MAP. Uses the first descriptor; without one, the server reaches the memory by messages. */
export function dmaMap({ dmaRanges, fds }: CommandContext, payload: Uint8Array): Reply {
  dmaRanges.add(wire.decodeDmaMap(payload), () => fds.take());
  return {};
}

/** DMA_UNMAP: a range, everything, or a range with its dirty bitmap. */
export function dmaUnmap({ dmaRanges }: CommandContext, payload: Uint8Array): Reply {
  const unmap = wire.decodeDmaUnmap(payload);
  switch (unmap.flags) {
    case 0:
      dmaRanges.remove(unmap.iova, unmap.size);
      return { payload: wire.encodeDmaUnmap(unmap) };
    case VFIO_DMA_UNMAP_FLAG_ALL:
      if (unmap.iova !== 0n || unmap.size !== 0n) break;
      dmaRanges.clear();
      return { payload: wire.encodeDmaUnmap(unmap) };
    case VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP:
      return { payload: wire.encodeDmaUnmap(unmap, unmapWithBitmap(dmaRanges, unmap)) };
  }
  throw systemError('EINVAL', 'vfio-user(DMA_UNMAP)');
}

function unmapWithBitmap(dmaRanges: DmaRanges, unmap: wire.WireDmaUnmap): Uint8Array {
  const length = checkBitmap(unmap);
  return writablePages(dmaRanges.remove(unmap.iova, unmap.size), unmap, length);
}
