import type { ModelHost } from '../pci-model.js';
import { getValue, putValue } from '../pci-function/register-values.js';
import { IDENT, REG } from './layout.js';

const MAX_DELAY_MS = 10_000;

/** BAR2's registers, the DMA engine's apart. */
export class Registers {
  readonly #probe = new Uint8Array(REG.PROBE_END - REG.PROBE);
  readonly #scratch64 = new Uint8Array(8);
  readonly #sleeper = new Int32Array(new SharedArrayBuffer(4));
  /** Registers that keep what was written. */
  readonly #kept = new Map<number, number>();
  #counter = 0;
  #events = 0;
  #messages = 0;
  #lastAccess = 0;
  #resets = 0;
  #faults = 0;

  constructor(private readonly host: ModelHost) {}

  read(offset: number, width: number): number | bigint {
    if (offset >= REG.PROBE && offset < REG.PROBE_END) return getValue(this.#probeAt(offset, width, 0));
    if (offset === REG.SCRATCH64 && width === 8) return getValue(this.#scratch64);
    return width === 4 ? this.#read32(offset) : 0;
  }

  write(offset: number, width: number, value: number | bigint): void {
    if (offset >= REG.PROBE && offset < REG.PROBE_END) putValue(this.#probeAt(offset, width, 1), value);
    else if (offset === REG.SCRATCH64 && width === 8) putValue(this.#scratch64, value);
    else if (width === 4) this.#write32(offset, Number(value));
  }

  reset(): void {
    this.#probe.fill(0);
    this.#scratch64.fill(0);
    this.#kept.clear();
    this.#counter = this.#events = this.#messages = this.#lastAccess = this.#faults = 0;
    this.#resets += 1;
    this.host.setInterruptLine(false);
  }

  #read32(offset: number): number {
    switch (offset) {
      case REG.IDENT:
        return IDENT;
      case REG.COUNTER:
        return this.#counter++;
      case REG.EVENTS:
        return this.#events;
      case REG.RESETS:
        return this.#resets;
      case REG.LAST_ACCESS:
        return this.#lastAccess;
      case REG.MESSAGES:
        return this.#messages;
      case REG.SCRATCH64:
      case REG.SCRATCH64_HIGH:
        return Number(getValue(this.#half(offset)));
      case REG.STEP:
        return this.#countDown();
      case REG.FAULT:
        return this.#fault();
      case REG.SLOW:
        this.#sleep();
    }
    return this.#kept.get(offset) ?? 0;
  }

  #write32(offset: number, value: number): void {
    switch (offset) {
      case REG.EVENTS:
        this.#events = (this.#events & ~value) >>> 0;
        break;
      case REG.EVENTS_SET:
        this.#events = (this.#events | value) >>> 0;
        break;
      case REG.RAISE:
        this.#raise(value, 1);
        break;
      case REG.BURST:
        this.#raise(value >>> 16, value & 0xffff);
        break;
      case REG.SCRATCH64:
      case REG.SCRATCH64_HIGH:
        putValue(this.#half(offset), value);
        break;
      case REG.LINE:
        this.#kept.set(offset, value & 1);
        this.host.setInterruptLine((value & 1) !== 0);
        break;
      case REG.DELAY:
        this.#kept.set(offset, Math.min(value, MAX_DELAY_MS));
        break;
      case REG.SLOW:
        this.#sleep();
        this.#kept.set(offset, value);
        break;
      case REG.FAULT:
        if (value === 0) throw new Error('FAULT was written');
        this.#faults = value;
        break;
      case REG.SCRATCH:
      case REG.STEP:
        this.#kept.set(offset, value);
    }
  }

  #raise(vector: number, times: number): void {
    for (let i = 0; i < times; i += 1) this.host.raiseMessage(vector);
    this.#messages += times;
  }

  #countDown(): number {
    const left = this.#kept.get(REG.STEP) ?? 0;
    this.#kept.set(REG.STEP, Math.max(0, left - 1));
    return left;
  }

  #fault(): number {
    if (this.#faults === 0) return 0;
    this.#faults -= 1;
    throw new Error('FAULT was read');
  }

  #half(offset: number): Uint8Array {
    return this.#scratch64.subarray(offset - REG.SCRATCH64, offset - REG.SCRATCH64 + 4);
  }

  #probeAt(offset: number, width: number, write: 0 | 1): Uint8Array {
    this.#lastAccess = ((offset << 8) | (write << 4) | width) >>> 0;
    return this.#probe.subarray(offset - REG.PROBE, offset - REG.PROBE + width);
  }

  /** Blocks the model's thread, as a device that answers late blocks the bus. */
  #sleep(): void {
    const delay = this.#kept.get(REG.DELAY) ?? 0;
    if (delay > 0) Atomics.wait(this.#sleeper, 0, 0, delay);
  }
}
