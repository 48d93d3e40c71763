import { getValue, putValue } from '../pci-function/register-values.js';
import { PORT } from './layout.js';

/** BAR1, I/O ports: scratch bytes, and an index and data pair whose accesses have an order. */
export class Ports {
  readonly #scratch = new Uint8Array(PORT.SCRATCH_END);
  readonly #indexed = new Uint8Array(256);
  #index = 0;
  #total = 0;

  read(offset: number, width: number): number {
    if (offset === PORT.TOTAL && width === 4) return this.#total;
    this.#total += 1;
    if (offset < PORT.SCRATCH_END) return Number(getValue(this.#scratch.subarray(offset, offset + width)));
    if (offset === PORT.INDEX) return this.#index;
    return offset === PORT.DATA ? (this.#indexed[this.#step()] ?? 0) : 0;
  }

  write(offset: number, width: number, value: number): void {
    this.#total += 1;
    if (offset < PORT.SCRATCH_END) putValue(this.#scratch.subarray(offset, offset + width), value);
    else if (offset === PORT.INDEX) this.#index = value & 0xff;
    else if (offset === PORT.DATA) this.#indexed[this.#step()] = value;
  }

  reset(): void {
    this.#scratch.fill(0);
    this.#indexed.fill(0);
    this.#index = this.#total = 0;
  }

  #step(): number {
    const index = this.#index;
    this.#index = (index + 1) & 0xff;
    return index;
  }
}
