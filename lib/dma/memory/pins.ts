import { setTimeout as delay } from 'node:timers/promises';

import { systemError } from '../../base/errors.js';
import { addon } from '../../native/addon.js';
import type { MemoryPieces, MemoryRun } from '../space/mapping-table.js';

/** The memory of a mapping. */
interface PinnedMemory extends MemoryRun {
  readonly runs?: readonly MemoryRun[] | undefined;
  readonly pieces?: MemoryPieces | undefined;
}

const TURN_MS = 1;

/**
 * What a space's devices may have pinned. Every thread of the process knows it, for a device goes on with the old pages
 * whoever gives them back. Thread: the one that made it.
 */
export class SpacePins {
  readonly #space = addon.pinSpaceCreate();
  readonly #devices = { devices: 0, mediated: 0 };
  /** How many mappings there are; without any, the table need not know of devices. */
  #holds = 0;
  /** Whether the table knows how many devices there are. */
  #told = false;

  /** Counts a device, before it reaches anything. @returns what counts it out, once it no longer does */
  count({ mediated }: { mediated: boolean }): () => void {
    this.#count(1, mediated);
    return () => this.#count(-1, mediated);
  }

  /** Says that memory is mapped. @returns what says that it no longer is; undefined while it is being given back */
  hold(memory: PinnedMemory): (() => void) | undefined {
    if (!this.#told) this.#tell();
    const single = memory.runs === undefined && memory.pieces === undefined;
    const ids = single ? this.#add(memory) : this.#addAll(rangesOf(memory));
    if (ids === undefined) return undefined;
    this.#holds += 1;
    return () => {
      this.#holds -= 1;
      if (typeof ids === 'number') addon.pinRemove(ids);
      else ids.forEach((id) => addon.pinRemove(id));
    };
  }

  /** The same, when no part of it is being given back any more: only then may it be pinned. */
  async holdLater(memory: PinnedMemory): Promise<() => void> {
    for (;;) {
      await delay(TURN_MS);
      const letGo = this.hold(memory);
      if (letGo !== undefined) return letGo;
    }
  }

  /** Waits until nothing that the space maps is being given back; once a device is counted, nothing more is. */
  async untilKept(): Promise<void> {
    while (addon.pinSpaceIsGivingBack(this.#space)) await delay(TURN_MS);
  }

  #count(by: 1 | -1, mediated: boolean): void {
    this.#devices.devices += by;
    if (mediated) this.#devices.mediated += by;
    this.#told = false;
    if (this.#holds > 0) this.#tell();
  }

  #tell(): void {
    addon.pinSpaceCount(this.#space, this.#devices.devices, this.#devices.mediated);
    this.#told = true;
  }

  #add({ vaddr, size }: MemoryRun): number | undefined {
    const id = addon.pinAdd(this.#space, vaddr, size);
    return id === 0 ? undefined : id;
  }

  #addAll(runs: readonly MemoryRun[]): number[] | undefined {
    const ids: number[] = [];
    for (const run of runs) {
      const id = this.#add(run);
      if (id === undefined) {
        ids.forEach((one) => addon.pinRemove(one));
        return undefined;
      }
      ids.push(id);
    }
    return ids;
  }
}

/**
 * Discards memory unless a device could have it pinned: the device would go on with the old pages, which nobody else sees
 * any more. Memory that is unmapped before and mapped again after is discarded in accord with the devices.
 * @param range bytes
 * @param vouched whether the caller knows that the mediated devices have pinned none of it
 * @throws EBUSY
 * Source: QEMU's ram_block_uncoordinated_discard_disable and vfio_ram_block_discard_disable
 */
export async function discardUnlessPinned(
  memory: SharedArrayBuffer,
  { offset, length }: { readonly offset: number; readonly length: number },
  vouched: boolean,
): Promise<void> {
  const discarding = addon.memoryDiscard(memory, offset, length, vouched);
  if (discarding instanceof Promise) return discarding;
  const [devices] = discarding;
  const hint =
    devices === 0
      ? 'mediated devices may have pinned it: say `vouched: true` if they have not, or unmap it first'
      : `${devices} attached device${devices === 1 ? ' has' : 's have'} it pinned: unmap it first, or detach them`;
  throw systemError('EBUSY', 'discard', { hint });
}

/** Of pieces, all that lies between the first and the last of them. */
function rangesOf({ vaddr, size, runs, pieces }: PinnedMemory): readonly MemoryRun[] {
  if (pieces === undefined) return runs ?? [{ vaddr, size }];
  const end = pieces.offsets.reduce((last, offset) => Math.max(last, offset), 0);
  return [{ vaddr, size: BigInt(end) + pieces.pieceSize }];
}
