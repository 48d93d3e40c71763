import type { ModelHost, ModelInstance, PciModel } from '../model.js';

/**
 * QEMU's educational device: a register set made for learning to write drivers. BAR0, 1 MiB of registers:
 *
 * | offset  | name       | width | access | meaning                                                              |
 * |---------|------------|-------|--------|----------------------------------------------------------------------|
 * | 0x00    | IDENT      | 4     | RO     | 0x010000ed: version 1.0                                              |
 * | 0x04    | LIVENESS   | 4     | RW     | reads as the inverse of what was written                             |
 * | 0x08    | FACTORIAL  | 4     | RW     | a written number becomes its factorial modulo 2^32, once STATUS says  |
 * | 0x20    | STATUS     | 4     | RW     | 0x01 computing (RO); 0x80 raise interrupt 0x1 when done              |
 * | 0x24    | IRQ_STATUS | 4     | RO     | the values that raised interrupts and were not acknowledged          |
 * | 0x60    | IRQ_RAISE  | 4     | WO     | ORs the value into IRQ_STATUS and interrupts                         |
 * | 0x64    | IRQ_ACK    | 4     | WO     | clears the value from IRQ_STATUS; the level falls with the last bit  |
 * | 0x80    | DMA_SOURCE | 4, 8  | RW     | an iova, or 0x40000 + offset for the device's own buffer             |
 * | 0x88    | DMA_TARGET | 4, 8  | RW     | the same                                                             |
 * | 0x90    | DMA_COUNT  | 4, 8  | RW     | bytes                                                                |
 * | 0x98    | DMA_COMMAND| 4, 8  | RW     | 0x1 start, busy while set; 0x2 from device to memory; 0x4 raise 0x100 |
 *
 * Reads elsewhere give all ones, writes do nothing; so do accesses below 0x80 of 8 bytes. Accesses of 1 and 2 bytes read
 * 0. While a transfer runs, the DMA registers cannot be written. The buffer at 0x40000 (4096 bytes) is reached by DMA
 * alone. An iova is cut to `dmaMask`. Of a transfer, the pages that are refused are lost alone: what was to be written, is
 * not, and what was to be read, reads as zeros.
 *
 * Unlike QEMU's, whose BAR0 VFIO calls mappable as it does every memory BAR of hardware, this BAR0 is not: a model sees
 * only trapped accesses. A transfer that leaves the buffer moves nothing (QEMU's version overruns it), and one is done as
 * soon as the write that started it was answered, unless `dmaDelayMs` makes it slower (QEMU takes 100 ms).
 *
 * Source: QEMU's docs/specs/edu.rst
 */
export interface EduOptions {
  /** The bits of an iova that the device drives. Default 28 bits. */
  readonly dmaMask?: bigint | number;
  /** How long a transfer takes. Default 0. */
  readonly dmaDelayMs?: number;
  /** How long a factorial takes. Default 0. */
  readonly factorialDelayMs?: number;
}

const BAR0_SIZE = 1 << 20;
const BUFFER_START = 0x40000;
const BUFFER_SIZE = 4096;
const IDENT = 0x0100_00ed;
/** No request on the bus crosses such a boundary: each page of a transfer is moved or refused by itself. */
const REQUEST_BOUNDARY = 4096;
const ALL_ONES = (1n << 64n) - 1n;

const REG = {
  IDENT: 0x00,
  LIVENESS: 0x04,
  FACTORIAL: 0x08,
  STATUS: 0x20,
  IRQ_STATUS: 0x24,
  IRQ_RAISE: 0x60,
  IRQ_ACK: 0x64,
  DMA_SOURCE: 0x80,
  DMA_TARGET: 0x88,
  DMA_COUNT: 0x90,
  DMA_COMMAND: 0x98,
} as const;

const STATUS_COMPUTING = 0x01;
const STATUS_INTERRUPT = 0x80;
const IRQ_FACTORIAL = 0x001;
const IRQ_DMA = 0x100;
const DMA_RUN = 1n;
const DMA_TO_MEMORY = 2n;
const DMA_INTERRUPT = 4n;

class Edu implements ModelInstance {
  readonly #dmaMask: bigint;
  readonly #buffer = new Uint8Array(BUFFER_SIZE);
  readonly #dma = new Map<number, bigint>();
  #liveness = 0;
  #factorial = 0;
  #status = 0;
  #irqStatus = 0;
  #cancels: (() => void)[] = [];

  constructor(
    private readonly host: ModelHost,
    private readonly options: EduOptions,
  ) {
    this.#dmaMask = BigInt(options.dmaMask ?? (1n << 28n) - 1n);
  }

  read(_bar: number, offset: number, width: number): number | bigint {
    if (width < 4) return 0;
    if (width === 8 && offset < REG.DMA_SOURCE) return ALL_ONES;
    switch (offset) {
      case REG.IDENT:
        return IDENT;
      case REG.LIVENESS:
        return this.#liveness;
      case REG.FACTORIAL:
        return this.#factorial;
      case REG.STATUS:
        return this.#status;
      case REG.IRQ_STATUS:
        return this.#irqStatus;
      case REG.DMA_SOURCE:
      case REG.DMA_TARGET:
      case REG.DMA_COUNT:
      case REG.DMA_COMMAND:
        return this.#dma.get(offset) ?? 0n;
      default:
        return ALL_ONES;
    }
  }

  write(_bar: number, offset: number, width: number, value: number | bigint): void {
    if (width < 4 || (width === 8 && offset < REG.DMA_SOURCE)) return;
    const word = Number(value);
    switch (offset) {
      case REG.LIVENESS:
        this.#liveness = ~word >>> 0;
        break;
      case REG.FACTORIAL:
        this.#startFactorial(word);
        break;
      case REG.STATUS:
        this.#status = (this.#status & ~STATUS_INTERRUPT) | (word & STATUS_INTERRUPT);
        break;
      case REG.IRQ_RAISE:
        this.#raise(word);
        break;
      case REG.IRQ_ACK:
        this.#acknowledge(word);
        break;
      case REG.DMA_SOURCE:
      case REG.DMA_TARGET:
      case REG.DMA_COUNT:
      case REG.DMA_COMMAND:
        this.#writeDma(offset, BigInt(value));
        break;
    }
  }

  reset(): void {
    for (const cancel of this.#cancels.splice(0)) cancel();
    this.#dma.clear();
    this.#buffer.fill(0);
    this.#liveness = this.#factorial = this.#status = this.#irqStatus = 0;
    this.host.setInterruptLine(false);
  }

  #startFactorial(value: number): void {
    if ((this.#status & STATUS_COMPUTING) !== 0) return;
    this.#factorial = value;
    this.#status |= STATUS_COMPUTING;
    this.#later(this.options.factorialDelayMs, () => {
      this.#factorial = factorialOf(this.#factorial);
      this.#status &= ~STATUS_COMPUTING;
      if ((this.#status & STATUS_INTERRUPT) !== 0) this.#raise(IRQ_FACTORIAL);
    });
  }

  #writeDma(register: number, value: bigint): void {
    const running = ((this.#dma.get(REG.DMA_COMMAND) ?? 0n) & DMA_RUN) !== 0n;
    if (running || (register === REG.DMA_COMMAND && (value & DMA_RUN) === 0n)) return;
    this.#dma.set(register, value);
    if (register === REG.DMA_COMMAND) this.#later(this.options.dmaDelayMs, () => this.#transfer(value));
  }

  #transfer(command: bigint): void {
    const toMemory = (command & DMA_TO_MEMORY) !== 0n;
    const source = this.#dma.get(REG.DMA_SOURCE) ?? 0n;
    const target = this.#dma.get(REG.DMA_TARGET) ?? 0n;
    const bytes = this.#bufferRange(toMemory ? source : target, this.#dma.get(REG.DMA_COUNT) ?? 0n);
    if (bytes !== undefined) this.#move((toMemory ? target : source) & this.#dmaMask, bytes, toMemory);
    this.#dma.set(REG.DMA_COMMAND, command & ~DMA_RUN);
    if ((command & DMA_INTERRUPT) !== 0n) this.#raise(IRQ_DMA);
  }

  /** Request by request; the device does not tell its driver which were refused. */
  #move(iova: bigint, bytes: Uint8Array, toMemory: boolean): void {
    for (let done = 0; done < bytes.length;) {
      const at = iova + BigInt(done);
      const left = REQUEST_BOUNDARY - Number(at % BigInt(REQUEST_BOUNDARY));
      const piece = bytes.subarray(done, done + left);
      if (toMemory) this.host.dmaWrite(at, piece);
      else if (!this.host.dmaRead(at, piece)) piece.fill(0);
      done += piece.length;
    }
  }

  #bufferRange(address: bigint, count: bigint): Uint8Array | undefined {
    const start = address - BigInt(BUFFER_START);
    if (start < 0n || start + count > BigInt(BUFFER_SIZE)) return undefined;
    return this.#buffer.subarray(Number(start), Number(start + count));
  }

  #raise(value: number): void {
    this.#irqStatus = (this.#irqStatus | value) >>> 0;
    if (this.#irqStatus === 0) return;
    if (this.host.messagesEnabled) this.host.raiseMessage(0);
    else this.host.setInterruptLine(true);
  }

  #acknowledge(value: number): void {
    this.#irqStatus = (this.#irqStatus & ~value) >>> 0;
    if (this.#irqStatus === 0 && !this.host.messagesEnabled) this.host.setInterruptLine(false);
  }

  #later(milliseconds: number | undefined, callback: () => void): void {
    const cancel = this.host.schedule(milliseconds ?? 0, () => {
      this.#cancels = this.#cancels.filter((other) => other !== cancel);
      callback();
    });
    this.#cancels.push(cancel);
  }
}

/** Modulo 2^32: from 34 on there are more than 31 factors of two, and it is 0. */
function factorialOf(value: number): number {
  if (value >= 34) return 0;
  let result = 1;
  for (let factor = 2; factor <= value; factor += 1) result = Math.imul(result, factor);
  return result >>> 0;
}

const edu: PciModel<EduOptions> = {
  name: 'edu',
  identity: { vendorId: 0x1234, deviceId: 0x11e8, classCode: 0x00ff00, revisionId: 0x10 },
  bars: [{ index: 0, size: BAR0_SIZE, kind: 'memory32' }],
  interruptPin: 1,
  msi: { vectors: 1 },
  resettable: false,
  create: (host, options) => new Edu(host, options ?? {}),
};

export default edu;
