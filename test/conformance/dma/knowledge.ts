import { PAGE } from '../world.js';
import type { DmaCall, TransferCall } from './program.js';
import type { DmaOutcome } from './side.js';

/**
 * The state of the address space, derived from the answers and from the bytes that changed: which pages are mapped, and
 * which of them a device has written since the dirty pages were last read.
 */
export class Knowledge {
  readonly #access = new Map<number, number>();
  readonly #written = new Set<number>();
  #tracking = false;

  /** Learns from the answer of a call, which was equal on both sides. */
  learn(call: DmaCall, { answer }: DmaOutcome): void {
    if (typeof answer === 'string') return;
    switch (call.call) {
      case 'map':
        for (const page of pagesOf(call)) this.#access.set(page, call.access);
        break;
      case 'unmap':
        for (const page of pagesOf(call)) {
          this.#access.delete(page);
          this.#written.delete(page);
        }
        break;
      case 'unmapAll':
        this.#access.clear();
        this.#written.clear();
        break;
      case 'track':
        if (!call.enabled) this.#written.clear();
        this.#tracking = call.enabled;
        break;
      case 'readDirty':
        for (const page of pagesOf(call)) this.#written.delete(page);
        break;
      default:
        break;
    }
  }

  /** Notes the pages that a transfer wrote, by the bytes of memory that it changed. */
  learnWritten({ iovaPage, pageOffset }: TransferCall, before: Uint8Array, after: Uint8Array): void {
    if (!this.#tracking) return;
    for (let index = 0; index < after.length; index++) {
      // A transfer is shorter than a page: a byte below its start offset within a page is in its second page.
      if (before[index] !== after[index]) this.#written.add(index % PAGE >= pageOffset ? iovaPage : iovaPage + 1);
    }
  }

  /** Returns the pages of a range that a device has written, counted from the start of the range. */
  writtenIn(range: { readonly iovaPage: number; readonly pages: number }): number[] {
    return pagesOf(range)
      .filter((page) => this.#written.has(page))
      .map((page) => page - range.iovaPage);
  }

  /** Tells whether a transfer reads a page that is mapped for writing only. QEMU's IOMMU allows that. */
  readsWriteOnly({ toDevice, iovaPage, pageOffset, length }: TransferCall): boolean {
    const last = iovaPage + Math.floor((pageOffset + length - 1) / PAGE);
    return toDevice && [iovaPage, last].some((page) => this.#access.get(page) === 2);
  }
}

function pagesOf({ iovaPage, pages }: { readonly iovaPage: number; readonly pages: number }): number[] {
  return Array.from({ length: pages }, (_, index) => iovaPage + index);
}
