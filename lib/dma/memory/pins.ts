import { setTimeout as sleep } from 'node:timers/promises';

import { systemError } from '../../base/errors.js';
import { addon } from '../../native/addon.js';
import type { LocatedMemory, MemoryRun } from './located-memory.js';

/** How long to wait before the table of pins is asked again, ms: a discard takes about as long. */
const RETRY_MS = 1;

/**
 * The memory that the devices of a space may have pinned. The table is the process's: a device keeps the old pages,
 * whichever thread discards them. Thread: the one that made it.
 */
export class SpacePins {
  readonly #space = addon.pinSpaceCreate();
  readonly #devices = { devices: 0, mediated: 0 };
  /** The number of mappings; without one, the table does not need the number of devices. */
  #mappings = 0;
  /** Whether the table knows the number of devices. */
  #deviceCountKnown = false;

  /**
   * Counts a device, before it can reach anything.
   * @returns a function that uncounts it; call it when the device can reach nothing any more
   */
  count({ mediated }: { mediated: boolean }): () => void {
    this.#count(1, mediated);
    return () => this.#count(-1, mediated);
  }

  /** Notes that memory is mapped. @returns a function that takes it back; undefined while a part is being discarded */
  add(memory: LocatedMemory): (() => void) | undefined {
    if (!this.#deviceCountKnown) this.#tellDeviceCount();
    const single = memory.runs === undefined && memory.pieces === undefined;
    const ids = single ? this.#addRun(memory) : this.#addRuns(runsOf(memory));
    if (ids === undefined) return undefined;
    this.#mappings += 1;
    return () => {
      this.#mappings -= 1;
      if (typeof ids === 'number') addon.pinRemove(ids);
      else ids.forEach((id) => addon.pinRemove(id));
    };
  }

  /** Waits until no part of the memory is being discarded, then adds it. */
  async addLater(memory: LocatedMemory): Promise<() => void> {
    for (;;) {
      await sleep(RETRY_MS);
      const remove = this.add(memory);
      if (remove !== undefined) return remove;
    }
  }

  /** Waits until no memory of the space is being discarded. While a device is counted, no further discard begins. */
  async untilNoDiscard(): Promise<void> {
    while (addon.pinSpaceIsDiscarding(this.#space)) await sleep(RETRY_MS);
  }

  #count(by: 1 | -1, mediated: boolean): void {
    this.#devices.devices += by;
    if (mediated) this.#devices.mediated += by;
    this.#deviceCountKnown = false;
    if (this.#mappings > 0) this.#tellDeviceCount();
  }

  #tellDeviceCount(): void {
    addon.pinSpaceCount(this.#space, this.#devices.devices, this.#devices.mediated);
    this.#deviceCountKnown = true;
  }

  #addRun({ vaddr, size }: MemoryRun): number | undefined {
    const id = addon.pinAdd(this.#space, vaddr, size);
    return id === 0 ? undefined : id;
  }

  /** Adds all runs or none. */
  #addRuns(runs: readonly MemoryRun[]): number[] | undefined {
    const ids: number[] = [];
    for (const run of runs) {
      const id = this.#addRun(run);
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
 * Discards memory unless a device may have it pinned: the device would keep the old pages, which nobody else sees any
 * more.
 * @param range bytes, whole pages
 * @param vouched whether the caller guarantees that the mediated devices have pinned none of it
 * @throws EBUSY if a device may have it pinned
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
      ? 'mediated devices may have pinned it: pass `vouched: true` if they have not, or unmap it first'
      : `${devices} attached device${devices === 1 ? ' has' : 's have'} it pinned: unmap it first, or detach them`;
  throw systemError('EBUSY', 'discard', { hint });
}

/** Returns the runs of memory that has gaps; of pieces, all memory up to the end of the last one. */
function runsOf({ vaddr, size, runs, pieces }: LocatedMemory): readonly MemoryRun[] {
  if (pieces === undefined) return runs ?? [{ vaddr, size }];
  const end = pieces.offsets.reduce((last, offset) => Math.max(last, offset), 0);
  return [{ vaddr, size: BigInt(end) + pieces.pieceSize }];
}
