import { systemError, VfioError } from '../../base/errors.js';
import type { DeviceInfo, Fd, IrqInfo, IrqSet, RegionInfo } from '../../kernel/kernel.js';
import * as vfio from '../../uapi/vfio.js';
import type { DmaBus, ServedDevice } from '../../vfio-user/server/served-device.js';
import type { OwnedResources } from '../../vfio-user/server/owned-resources.js';
import type { ModelHost, ModelInstance, PciModel } from '../pci-model.js';
import { Bar } from './bar.js';
import { BarMemory } from './bar-memory.js';
import { buildConfigImage, type ConfigImage } from './config-image.js';
import { EmulatedConfig } from './emulated-config.js';
import { Interrupts } from './interrupts.js';
import { regionInfo } from './region-info.js';
import { Timers } from './timers.js';
import { mappedAreas } from './bar-layout.js';

/** Reports an error that a model threw. The access in which it threw is answered with EIO. */
export type ReportModelError = (error: unknown) => void;

interface Access {
  readonly regionIndex: number;
  readonly regionOffset: number;
  readonly count: number;
  readonly write: boolean;
}

/** A PCI function around a model's registers: config space, BARs, ROM, interrupts and resets. */
export class EmulatedFunction implements ServedDevice {
  readonly #image: ConfigImage;
  readonly #config: EmulatedConfig;
  readonly #timers = new Timers();
  readonly #interrupts: Interrupts;
  readonly #memories = new Map<number, BarMemory>();
  readonly #bars = new Map<number, Bar>();
  readonly #rom: Uint8Array;
  readonly #instance: ModelInstance;
  #bus: DmaBus | undefined;

  /**
   * Starts the model.
   * @param model checked by `validateModel`
   * @param owned records the descriptors and mappings that the function holds
   * @throws what `create` throws
   */
  constructor(
    private readonly model: PciModel,
    options: unknown,
    owned: OwnedResources,
    private readonly report: ReportModelError,
  ) {
    this.#image = buildConfigImage(model);
    this.#config = new EmulatedConfig(this.#image, {
      changed: () => this.#interrupts.update(),
      functionReset: () => this.#reset(),
    });
    this.#interrupts = new Interrupts(model, this.#config, this.#timers, owned);
    this.#rom = new Uint8Array(this.#image.romSize);
    this.#rom.set(model.rom ?? []);
    for (const layout of model.bars) {
      if (mappedAreas(layout).length === 0) continue;
      this.#memories.set(layout.index, new BarMemory(model.name, layout, owned));
    }
    for (const layout of model.bars) this.#bars.set(layout.index, this.#makeBar(layout));
    this.#instance = model.create(this.#host(), options);
  }

  getInfo(): DeviceInfo {
    const reset = this.model.resettable ? vfio.VFIO_DEVICE_FLAGS_RESET : 0;
    return {
      flags: reset | vfio.VFIO_DEVICE_FLAGS_PCI,
      numRegions: vfio.VFIO_PCI_NUM_REGIONS,
      numIrqs: vfio.VFIO_PCI_NUM_IRQS,
    };
  }

  getRegionInfo(regionIndex: number): { info: RegionInfo; fd: Fd | undefined } {
    const info = regionInfo(this.model, this.#image, regionIndex);
    return { info, fd: this.#memories.get(regionIndex)?.fd };
  }

  getIrqInfo(irqIndex: number): IrqInfo {
    return this.#interrupts.getInfo(irqIndex);
  }

  setIrqs(set: IrqSet): void {
    this.#interrupts.set(set);
  }

  checkAccess({ regionIndex, regionOffset, count, write }: Access): number {
    const size = this.#regionSize(regionIndex);
    if (regionIndex === vfio.VFIO_PCI_CONFIG_REGION_INDEX) {
      if (regionOffset + count > size) throw accessError('EFAULT', write);
      return count;
    }
    if (size === 0 || regionOffset >= size) throw accessError('EINVAL', write);
    if (write && regionIndex === vfio.VFIO_PCI_ROM_REGION_INDEX) throw accessError('EINVAL', write);
    if (this.#isMemory(regionIndex) && !this.#config.memoryEnabled) throw accessError('EIO', write);
    return Math.min(count, size - regionOffset);
  }

  readRegion(regionIndex: number, regionOffset: number, target: Uint8Array): void {
    if (regionIndex === vfio.VFIO_PCI_CONFIG_REGION_INDEX) return this.#config.read(regionOffset, target);
    if (regionIndex === vfio.VFIO_PCI_ROM_REGION_INDEX) {
      return target.set(this.#rom.subarray(regionOffset, regionOffset + target.length));
    }
    // No device answers an I/O access while decoding is off: it reads all ones. vfio-pci checks only memory decoding.
    if (!this.#isMemory(regionIndex) && !this.#config.ioEnabled) return void target.fill(0xff);
    this.#guard(() => this.#bars.get(regionIndex)?.read(regionOffset, target));
  }

  writeRegion(regionIndex: number, regionOffset: number, source: Uint8Array): void {
    if (regionIndex === vfio.VFIO_PCI_CONFIG_REGION_INDEX) return this.#config.write(regionOffset, source);
    if (!this.#isMemory(regionIndex) && !this.#config.ioEnabled) return;
    this.#guard(() => this.#bars.get(regionIndex)?.write(regionOffset, source));
  }

  reset(): void {
    if (!this.model.resettable) throw systemError('EINVAL', 'vfio-user(DEVICE_RESET)');
    this.#reset();
  }

  runTimers(): number {
    return this.#timers.run();
  }

  connect(bus: DmaBus): void {
    this.#bus = bus;
  }

  disconnect(): void {
    this.#bus = undefined;
    this.#interrupts.disconnect();
  }

  /** Disconnects the client and frees the BARs' memory. */
  close(): void {
    this.disconnect();
    for (const memory of this.#memories.values()) memory.close();
    this.#memories.clear();
  }

  #reset(): void {
    this.#interrupts.reset();
    this.#guard(() => this.#instance.reset());
  }

  #makeBar(layout: PciModel['bars'][number]): Bar {
    return new Bar(layout, {
      instance: () => this.#instance,
      memory: this.#memories.get(layout.index),
      table: this.#interrupts.table,
      tableWritten: () => this.#interrupts.update(),
    });
  }

  #host(): ModelHost {
    const interrupts = this.#interrupts;
    return {
      dmaRead: (iova, target) => this.#config.busMaster && (this.#bus?.read(iova, target) ?? false),
      dmaWrite: (iova, source) => this.#config.busMaster && (this.#bus?.write(iova, source) ?? false),
      raiseMessage: (vector) => interrupts.raiseMessage(vector),
      get messagesEnabled() {
        return interrupts.messagesEnabled;
      },
      setInterruptLine: (asserted) => interrupts.setLine(asserted),
      schedule: (milliseconds, callback) => this.#timers.schedule(milliseconds, () => this.#runTimer(callback)),
      barMemory: (index) => this.#barMemory(index),
    };
  }

  #barMemory(index: number): Uint8Array {
    const memory = this.#memories.get(index);
    if (memory === undefined) throw new RangeError(`BAR${index} of ${this.model.name} has no mapped memory`);
    return memory.bytes;
  }

  #runTimer(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.report(error);
    }
  }

  /** Runs the model's code. What it throws is reported and becomes EIO. */
  #guard(action: () => void): void {
    try {
      action();
    } catch (cause) {
      this.report(cause);
      throw systemError('EIO', `model(${this.model.name})`, { cause });
    }
  }

  #regionSize(regionIndex: number): number {
    if (regionIndex === vfio.VFIO_PCI_CONFIG_REGION_INDEX) return this.#config.size;
    if (regionIndex === vfio.VFIO_PCI_ROM_REGION_INDEX) return this.#rom.length;
    return this.#bars.get(regionIndex)?.layout.size ?? 0;
  }

  #isMemory(regionIndex: number): boolean {
    return this.#bars.get(regionIndex)?.layout.kind !== 'io';
  }
}

function accessError(errno: 'EINVAL' | 'EFAULT' | 'EIO', write: boolean): VfioError {
  return systemError(errno, write ? 'vfio-user(REGION_WRITE)' : 'vfio-user(REGION_READ)');
}
