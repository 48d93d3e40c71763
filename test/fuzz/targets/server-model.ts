import assert from 'node:assert/strict';

import type { ModelHost, ModelInstance, PciModel } from '../../../lib/models/pci-model.js';

/** The registers of BAR 0 that do more than hold a value. */
export const FUZZ_REG = { IOVA: 0, COUNT: 8, READ: 16, WRITE: 20, VECTOR: 24, LINE: 28, TIMER: 32, THROW: 36 } as const;

const BAR_SIZES: Readonly<Record<number, number>> = { 0: 4096, 2: 8192, 4: 32 };
const MAX_DMA = 8192;

/** A device that checks each access that the server makes, and does DMA, interrupts and timers as it is told. */
export const fuzzModel: PciModel = {
  name: 'fuzz',
  identity: { vendorId: 0x1234, deviceId: 0x4655, classCode: 0xff0000, revisionId: 1 },
  bars: [
    { index: 0, size: 4096, kind: 'memory32' },
    { index: 2, size: 8192, kind: 'memory64', mapped: [{ offset: 4096, size: 4096 }] },
    { index: 4, size: 32, kind: 'io' },
  ],
  rom: new Uint8Array(256).fill(0x55),
  interruptPin: 1,
  msi: { vectors: 4 },
  msix: { vectors: 8, table: { bar: 0, offset: 2048 }, pba: { bar: 0, offset: 3072 } },
  resettable: true,
  express: true,
  create: (host) => new FuzzDevice(host),
};

/** What a model throws on purpose. The client gets EIO for it. */
export class ModelFailure extends Error {}

class FuzzDevice implements ModelInstance {
  readonly #registers = new DataView(new ArrayBuffer(4096));

  constructor(private readonly host: ModelHost) {}

  read(bar: number, offset: number, width: number): number | bigint {
    checkAccess(bar, offset, width);
    if (bar !== 0) return width === 8 ? 1n : 1;
    return width === 8 ? this.#registers.getBigUint64(offset, true) : this.#get(offset, width);
  }

  write(bar: number, offset: number, width: number, value: number | bigint): void {
    checkAccess(bar, offset, width);
    const wide = BigInt(value);
    assert.ok(wide >= 0n && wide < 1n << BigInt(8 * width), 'a value fits its width');
    if (bar !== 0) return;
    for (let i = 0; i < width; i++) this.#registers.setUint8(offset + i, Number((wide >> BigInt(8 * i)) & 0xffn));
    this.#act(offset, Number(BigInt.asUintN(32, wide)));
  }

  reset(): void {
    for (let i = 0; i < 64; i++) this.#registers.setUint8(i, 0);
  }

  #act(offset: number, value: number): void {
    const iova = this.#registers.getBigUint64(FUZZ_REG.IOVA, true);
    const count = this.#registers.getUint32(FUZZ_REG.COUNT, true) % MAX_DMA;
    if (offset === FUZZ_REG.READ) this.#dmaRead(iova, count);
    if (offset === FUZZ_REG.WRITE) this.host.dmaWrite(iova, new Uint8Array(count).fill(value));
    if (offset === FUZZ_REG.VECTOR) this.host.raiseMessage(value % 8);
    if (offset === FUZZ_REG.LINE) this.host.setInterruptLine(value % 2 === 1);
    if (offset === FUZZ_REG.TIMER) this.host.schedule(0, () => this.#dmaRead(iova, count));
    if (offset === FUZZ_REG.THROW) throw new ModelFailure('on purpose');
  }

  #dmaRead(iova: bigint, count: number): void {
    const target = new Uint8Array(count).fill(0xa5);
    const done = this.host.dmaRead(iova, target);
    assert.ok(done || target.every((byte) => byte === 0xa5), 'a read that fails changes nothing');
  }

  #get(offset: number, width: number): number {
    if (width === 4) return this.#registers.getUint32(offset, true);
    return width === 2 ? this.#registers.getUint16(offset, true) : this.#registers.getUint8(offset);
  }
}

function checkAccess(bar: number, offset: number, width: number): void {
  const size = BAR_SIZES[bar] ?? 0;
  assert.ok([1, 2, 4, 8].includes(width), `a width of ${width}`);
  assert.ok(
    offset % width === 0 && offset >= 0 && offset + width <= size,
    `BAR ${bar} has no ${width} bytes at ${offset}`,
  );
}
