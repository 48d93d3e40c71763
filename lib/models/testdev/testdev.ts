import type { ModelHost, ModelInstance, PciModel } from '../pci-model.js';
import { DmaEngine } from './dma-engine.js';
import { BAR, REG, SIZE, VECTORS } from './layout.js';
import { Ports } from './ports.js';
import { Registers } from './registers.js';
import { buildRom } from './rom.js';

/** The test device: passes accesses to the parts of the device. README.md describes it. */
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
