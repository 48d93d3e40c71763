import type { ModelHost, ModelInstance, PciModel } from '../pci-model.js';
import {
  EDU_BUFFER,
  EDU_DEVICE_ID,
  EDU_DMA,
  EDU_DMA_MASK,
  EDU_IDENT,
  EDU_IRQ,
  EDU_REG,
  EDU_STATUS,
  EDU_VENDOR_ID,
} from './registers.js';

/** Options of the model of QEMU's educational device. README.md describes the device. */
export interface EduOptions {
  /** The bits of an iova that the device drives. Default `EDU_DMA_MASK`, 28 bits. */
  readonly dmaMask?: bigint | number;
  /** Duration of a transfer, in milliseconds. Default 0. */
  readonly dmaDelayMs?: number;
  /** Duration of a factorial, in milliseconds. Default 0. */
  readonly factorialDelayMs?: number;
}

const BAR0_SIZE = 1 << 20;
/** A transfer is split at multiples of this, in bytes: each page is moved or refused by itself. */
const REQUEST_BOUNDARY = 4096;
/** The value of an offset without a register. */
const NO_REGISTER = (1n << 64n) - 1n;

const DMA_RUN = BigInt(EDU_DMA.RUN);
const DMA_TO_MEMORY = BigInt(EDU_DMA.TO_MEMORY);
const DMA_INTERRUPT = BigInt(EDU_DMA.INTERRUPT);

class Edu implements ModelInstance {
  readonly #dmaMask: bigint;
  readonly #buffer = new Uint8Array(EDU_BUFFER.SIZE);
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
    this.#dmaMask = BigInt(options.dmaMask ?? EDU_DMA_MASK);
  }

  read(_bar: number, offset: number, width: number): number | bigint {
    if (width < 4) return 0;
    if (width === 8 && offset < EDU_REG.DMA_SOURCE) return NO_REGISTER;
    switch (offset) {
      case EDU_REG.IDENT:
        return EDU_IDENT;
      case EDU_REG.LIVENESS:
        return this.#liveness;
      case EDU_REG.FACTORIAL:
        return this.#factorial;
      case EDU_REG.STATUS:
        return this.#status;
      case EDU_REG.IRQ_STATUS:
        return this.#irqStatus;
      case EDU_REG.DMA_SOURCE:
      case EDU_REG.DMA_TARGET:
      case EDU_REG.DMA_COUNT:
      case EDU_REG.DMA_COMMAND:
        return this.#dma.get(offset) ?? 0n;
      default:
        return NO_REGISTER;
    }
  }

  write(_bar: number, offset: number, width: number, value: number | bigint): void {
    if (width < 4 || (width === 8 && offset < EDU_REG.DMA_SOURCE)) return;
    const word = Number(value);
    switch (offset) {
      case EDU_REG.LIVENESS:
        this.#liveness = ~word >>> 0;
        break;
      case EDU_REG.FACTORIAL:
        this.#startFactorial(word);
        break;
      case EDU_REG.STATUS:
        this.#status = (this.#status & ~EDU_STATUS.INTERRUPT) | (word & EDU_STATUS.INTERRUPT);
        break;
      case EDU_REG.IRQ_RAISE:
        this.#raise(word);
        break;
      case EDU_REG.IRQ_ACK:
        this.#acknowledge(word);
        break;
      case EDU_REG.DMA_SOURCE:
      case EDU_REG.DMA_TARGET:
      case EDU_REG.DMA_COUNT:
      case EDU_REG.DMA_COMMAND:
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
    if ((this.#status & EDU_STATUS.COMPUTING) !== 0) return;
    this.#factorial = value;
    this.#status |= EDU_STATUS.COMPUTING;
    this.#later(this.options.factorialDelayMs, () => {
      this.#factorial = factorialOf(this.#factorial);
      this.#status &= ~EDU_STATUS.COMPUTING;
      if ((this.#status & EDU_STATUS.INTERRUPT) !== 0) this.#raise(EDU_IRQ.FACTORIAL);
    });
  }

  #writeDma(register: number, value: bigint): void {
    const running = ((this.#dma.get(EDU_REG.DMA_COMMAND) ?? 0n) & DMA_RUN) !== 0n;
    if (running || (register === EDU_REG.DMA_COMMAND && (value & DMA_RUN) === 0n)) return;
    this.#dma.set(register, value);
    if (register === EDU_REG.DMA_COMMAND) this.#later(this.options.dmaDelayMs, () => this.#transfer(value));
  }

  #transfer(command: bigint): void {
    const toMemory = (command & DMA_TO_MEMORY) !== 0n;
    const source = this.#dma.get(EDU_REG.DMA_SOURCE) ?? 0n;
    const target = this.#dma.get(EDU_REG.DMA_TARGET) ?? 0n;
    const bytes = this.#bufferRange(toMemory ? source : target, this.#dma.get(EDU_REG.DMA_COUNT) ?? 0n);
    if (bytes !== undefined) this.#move((toMemory ? target : source) & this.#dmaMask, bytes, toMemory);
    this.#dma.set(EDU_REG.DMA_COMMAND, command & ~DMA_RUN);
    if ((command & DMA_INTERRUPT) !== 0n) this.#raise(EDU_IRQ.DMA);
  }

  /** Moves page by page. The device does not report refused pages to its driver. */
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
    const start = address - BigInt(EDU_BUFFER.START);
    if (start < 0n || start + count > BigInt(EDU_BUFFER.SIZE)) return undefined;
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

/** Computes value! modulo 2^32, which is 0 from 34 on: 34! has 32 factors of two. */
function factorialOf(value: number): number {
  if (value >= 34) return 0;
  let result = 1;
  for (let factor = 2; factor <= value; factor += 1) result = Math.imul(result, factor);
  return result >>> 0;
}

const edu: PciModel<EduOptions> = {
  name: 'edu',
  identity: { vendorId: EDU_VENDOR_ID, deviceId: EDU_DEVICE_ID, classCode: 0x00ff00, revisionId: 0x10 },
  bars: [{ index: 0, size: BAR0_SIZE, kind: 'memory32' }],
  interruptPin: 1,
  msi: { vectors: 1 },
  resettable: false,
  create: (host, options) => new Edu(host, options ?? {}),
};

export default edu;
