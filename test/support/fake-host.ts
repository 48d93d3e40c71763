import type { ModelHost } from '../../lib/models/pci-model.js';

/** A host for a model without a server: it has memory from address 0 on and records the model's calls. */
export class FakeHost implements ModelHost {
  readonly memory = new Uint8Array(1 << 16);
  readonly messages: number[] = [];
  readonly timers: { milliseconds: number; callback: () => void; cancelled: boolean }[] = [];
  readonly bars = new Map<number, Uint8Array>();
  messagesEnabled = false;
  line = false;
  refuse = false;

  dmaRead(iova: bigint, target: Uint8Array): boolean {
    if (!this.#reaches(iova, target.length)) return false;
    target.set(this.memory.subarray(Number(iova), Number(iova) + target.length));
    return true;
  }

  dmaWrite(iova: bigint, source: Uint8Array): boolean {
    if (!this.#reaches(iova, source.length)) return false;
    this.memory.set(source, Number(iova));
    return true;
  }

  raiseMessage(vector: number): void {
    this.messages.push(vector);
  }

  setInterruptLine(asserted: boolean): void {
    this.line = asserted;
  }

  schedule(milliseconds: number, callback: () => void): () => void {
    const timer = { milliseconds, callback, cancelled: false };
    this.timers.push(timer);
    return () => {
      timer.cancelled = true;
    };
  }

  barMemory(index: number): Uint8Array {
    const bytes = this.bars.get(index) ?? new Uint8Array(1 << 16);
    this.bars.set(index, bytes);
    return bytes;
  }

  /** Runs all pending timers now. */
  tick(): void {
    for (const timer of this.timers.splice(0)) {
      if (!timer.cancelled) timer.callback();
    }
  }

  #reaches(iova: bigint, length: number): boolean {
    return !this.refuse && iova >= 0n && iova + BigInt(length) <= BigInt(this.memory.length);
  }
}
