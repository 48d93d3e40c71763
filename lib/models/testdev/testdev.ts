import type { ModelHost, ModelInstance, PciModel } from '../pci-model.js';
import { DmaEngine } from './dma-engine.js';
import { BAR, REG, SIZE, VECTORS } from './layout.js';
import { Ports } from './ports.js';
import { Registers } from './registers.js';
import { buildRom } from './rom.js';

/**
 * A device made for tests: each kind of region, and registers whose side effects show what reached them. The register
 * maps are in `testdev/layout.ts`.
 *
 * | region | kind     | size   | what                                                                            |
 * |--------|----------|--------|---------------------------------------------------------------------------------|
 * | BAR0   | memory32 | 64 KiB | plain memory, mapped whole                                                      |
 * | BAR1   | io       | 256    | ports: 128 bytes of scratch in any width, then a few with side effects           |
 * | BAR2   | memory64 | 64 KiB | registers with side effects; 0x1000-0x2fff and 0x8000-0xbfff are mapped memory  |
 * | BAR4   | memory32 | 4 KiB  | MSI-X table at 0, pending bits at 0x800                                         |
 * | ROM    |          | 2 KiB  | an expansion ROM image for no machine (0x55 0xaa, PCIR, a right checksum)       |
 *
 * 16 MSI-X vectors, 4 MSI vectors, INTA, PCI Express with function-level reset. After a reset, memory is zero and
 * registers are as at power-on, except RESETS.
 */
class TestDevice implements ModelInstance {
  readonly #registers: Registers;
  readonly #ports: Ports;
  readonly #dma: DmaEngine;

  constructor(private readonly host: ModelHost) {
    this.#registers = new Registers(host);
    this.#ports = new Ports();
    this.#dma = new DmaEngine(host);
  }

  read(bar: number, offset: number, width: number): number | bigint {
    if (bar === BAR.PORTS) return this.#ports.read(offset, width);
    if (bar !== BAR.REGISTERS) return 0;
    return offset >= REG.DMA_SOURCE && offset < REG.DMA_END
      ? this.#dma.read(offset, width)
      : this.#registers.read(offset, width);
  }

  write(bar: number, offset: number, width: number, value: number | bigint): void {
    if (bar === BAR.PORTS) this.#ports.write(offset, width, Number(value));
    if (bar !== BAR.REGISTERS) return;
    if (offset >= REG.DMA_SOURCE && offset < REG.DMA_END) this.#dma.write(offset, width, value);
    else this.#registers.write(offset, width, value);
  }

  reset(): void {
    this.host.barMemory(BAR.MEMORY).fill(0);
    this.host.barMemory(BAR.REGISTERS).fill(0);
    this.#registers.reset();
    this.#ports.reset();
    this.#dma.reset();
  }
}

const testdev: PciModel = {
  name: 'testdev',
  identity: { vendorId: 0x1234, deviceId: 0x7e57, classCode: 0xff0000, revisionId: 1 },
  bars: [
    { index: BAR.MEMORY, size: SIZE.MEMORY, kind: 'memory32', mapped: true },
    { index: BAR.PORTS, size: SIZE.PORTS, kind: 'io' },
    {
      index: BAR.REGISTERS,
      size: SIZE.REGISTERS,
      kind: 'memory64',
      prefetchable: true,
      mapped: [
        { offset: 0x1000, size: 0x2000 },
        { offset: 0x8000, size: 0x4000 },
      ],
    },
    { index: BAR.MSIX, size: SIZE.MSIX, kind: 'memory32' },
  ],
  rom: buildRom(0x1234, 0x7e57, 0xff0000),
  interruptPin: 1,
  msi: { vectors: VECTORS.MSI },
  msix: { vectors: VECTORS.MSIX, table: { bar: BAR.MSIX, offset: 0 }, pba: { bar: BAR.MSIX, offset: 0x800 } },
  resettable: true,
  express: true,
  create: (host) => new TestDevice(host),
};

export default testdev;
