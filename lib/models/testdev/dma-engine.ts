import type { ModelHost } from '../pci-model.js';
import { getValue, putValue } from '../pci-function/register-values.js';
import { BAR, DMA, REG } from './layout.js';

/** Copies between guest memory and guest memory, or BAR0. */
export class DmaEngine {
  /** SOURCE and TARGET as a client reads them, in halves or whole. */
  readonly #addresses = new Uint8Array(16);
  #length = 0;
  #control = 0;
  #status: number = DMA.IDLE;
  #count = 0;
  #cancel: (() => void) | undefined;

  constructor(private readonly host: ModelHost) {}

  read(offset: number, width: number): number | bigint {
    if (offset < REG.DMA_LENGTH) return width >= 4 ? getValue(this.#address(offset, width)) : 0;
    if (width !== 4) return 0;
    switch (offset) {
      case REG.DMA_LENGTH:
        return this.#length;
      case REG.DMA_CONTROL:
        return this.#control;
      case REG.DMA_STATUS:
        return this.#status;
      default:
        return this.#count;
    }
  }

  write(offset: number, width: number, value: number | bigint): void {
    if (this.#status === DMA.BUSY || width < 4) return;
    if (offset < REG.DMA_LENGTH) putValue(this.#address(offset, width), value);
    if (width !== 4) return;
    if (offset === REG.DMA_LENGTH) this.#length = Number(value);
    if (offset === REG.DMA_CONTROL) this.#command(Number(value));
  }

  reset(): void {
    this.#cancel?.();
    this.#addresses.fill(0);
    this.#length = this.#control = this.#count = 0;
    this.#status = DMA.IDLE;
  }

  #command(value: number): void {
    this.#control = value & ~DMA.START;
    if ((value & DMA.START) === 0) return;
    this.#status = DMA.BUSY;
    if ((value & DMA.AT_ONCE) !== 0) this.#run();
    else this.#cancel = this.host.schedule(0, () => this.#run());
  }

  #run(): void {
    this.#status = this.#copy() ? DMA.DONE : DMA.REFUSED;
    this.#count += 1;
    if ((this.#control & DMA.MESSAGE) !== 0) this.host.raiseMessage((this.#control >>> 8) & 0xff);
  }

  #copy(): boolean {
    if (this.#length > DMA.MAX_LENGTH) return false;
    const source = this.#addressOf(REG.DMA_SOURCE);
    const target = this.#addressOf(REG.DMA_TARGET);
    const bytes = new Uint8Array(this.#length);
    return this.#load(source, bytes) && this.#store(target, bytes);
  }

  #load(source: bigint, bytes: Uint8Array): boolean {
    if ((this.#control & DMA.SOURCE_IS_BAR0) === 0) return this.host.dmaRead(source, bytes);
    const area = this.#bar0(source);
    if (area !== undefined) bytes.set(area);
    return area !== undefined;
  }

  #store(target: bigint, bytes: Uint8Array): boolean {
    if ((this.#control & DMA.TARGET_IS_BAR0) === 0) return this.host.dmaWrite(target, bytes);
    const area = this.#bar0(target);
    area?.set(bytes);
    return area !== undefined;
  }

  #bar0(offset: bigint): Uint8Array | undefined {
    const memory = this.host.barMemory(BAR.MEMORY);
    if (offset + BigInt(this.#length) > BigInt(memory.length)) return undefined;
    return memory.subarray(Number(offset), Number(offset) + this.#length);
  }

  #address(offset: number, width: number): Uint8Array {
    return this.#addresses.subarray(offset - REG.DMA_SOURCE, offset - REG.DMA_SOURCE + width);
  }

  #addressOf(register: number): bigint {
    return BigInt(getValue(this.#address(register, 8)));
  }
}
