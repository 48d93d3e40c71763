import type { Liveness } from '../kernel/liveness.js';
import { VfioError } from '../base/errors.js';
import { Mutex } from '../base/mutex.js';
import {
  walkCapabilities,
  walkExtendedCapabilities,
  type Capability,
  type ExtendedCapability,
} from './capabilities.js';
import { parseHeader, type ConfigHeader } from './header.js';
import { ConfigOverlay, type EmulatedField } from './overlay.js';
import {
  PCI_COMMAND,
  PCI_COMMAND_MASTER,
  PCI_COMMAND_MEMORY,
  PCI_DEVICE_ID,
  PCI_SUBSYSTEM_ID,
  PCI_SUBSYSTEM_VENDOR_ID,
  PCI_VENDOR_ID,
} from '../uapi/pci.js';

/** The device's own config space: transfers at an offset of the config region, whole or an error. */
export interface ConfigIo {
  /** Bytes: 256 or 4096. */
  readonly size: number;
  read(offset: number, length: number): Promise<Uint8Array>;
  write(offset: number, data: Uint8Array): Promise<void>;
}

/** The ids that a guest is to see instead of the device's. 16 bits each. */
export interface IdOverrides {
  readonly vendorId?: number;
  readonly deviceId?: number;
  readonly subsystemVendorId?: number;
  readonly subsystemId?: number;
}

/**
 * A device's config space, with emulated words over it.
 * @throws (rejects) from every access: ERR_CLOSED once the device's detaching has begun, unless it began before; then the
 * detaching waits for it
 * Thread: the one that attached the device.
 */
export class ConfigSpace {
  readonly #io: ConfigIo;
  readonly #live: Liveness;
  readonly #overlay: ConfigOverlay;
  /** A change of some bits is a read and a write with nothing between them. */
  readonly #lock = new Mutex();

  /** @internal `Device.config` is one. */
  constructor(io: ConfigIo, live: Liveness) {
    this.#io = io;
    this.#live = live;
    this.#overlay = new ConfigOverlay(io.size);
  }

  /** Bytes. */
  get size(): number {
    return this.#io.size;
  }

  /** Reads bytes, the emulated ones in their place. @throws ERR_OUT_OF_RANGE, the device's error */
  async read(offset: number, length: number): Promise<Uint8Array> {
    this.#check(offset, length);
    const data = await this.#live.run(() => this.#io.read(offset, length));
    this.#overlay.apply(offset, data);
    return data;
  }

  /** Writes bytes; the emulated ones do not reach the device. @throws ERR_OUT_OF_RANGE, the device's error */
  async write(offset: number, data: Uint8Array): Promise<void> {
    this.#check(offset, data.length);
    await this.#section(() => this.#write(offset, data));
  }

  async read8(offset: number): Promise<number> {
    return (await this.#view(offset, 1)).getUint8(0);
  }

  async read16(offset: number): Promise<number> {
    return (await this.#view(offset, 2)).getUint16(0, true);
  }

  async read32(offset: number): Promise<number> {
    return (await this.#view(offset, 4)).getUint32(0, true);
  }

  write8(offset: number, value: number): Promise<void> {
    return this.write(offset, Uint8Array.of(value));
  }

  write16(offset: number, value: number): Promise<void> {
    return this.write(offset, Uint8Array.of(value, value >>> 8));
  }

  write32(offset: number, value: number): Promise<void> {
    return this.write(offset, Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24));
  }

  /** Reads the header. */
  async header(): Promise<ConfigHeader> {
    return parseHeader(await this.read(0, 64));
  }

  /** Lists the standard capabilities, in the order of their list. */
  async capabilities(): Promise<Capability[]> {
    return walkCapabilities(await this.read(0, Math.min(this.size, 256)));
  }

  /** Lists the extended capabilities; none where config space has 256 bytes. */
  async extendedCapabilities(): Promise<ExtendedCapability[]> {
    return this.size <= 256 ? [] : walkExtendedCapabilities(await this.read(0, this.size));
  }

  /** Puts emulated bits over the device's. @throws ERR_INVALID_ARGUMENT */
  emulate(field: EmulatedField): void {
    this.#overlay.add(field);
  }

  /** Shows other ids than the device's. */
  overrideIds({ vendorId, deviceId, subsystemVendorId, subsystemId }: IdOverrides): void {
    const words: [number, number | undefined][] = [
      [PCI_VENDOR_ID, vendorId],
      [PCI_DEVICE_ID, deviceId],
      [PCI_SUBSYSTEM_VENDOR_ID, subsystemVendorId],
      [PCI_SUBSYSTEM_ID, subsystemId],
    ];
    for (const [offset, value] of words) if (value !== undefined) this.emulate({ offset, width: 2, value });
  }

  /** Lets the device do DMA and send interrupt messages, or stops it. */
  setBusMaster(enabled: boolean): Promise<void> {
    return this.#setCommand(PCI_COMMAND_MASTER, enabled);
  }

  /** Lets the device answer at its memory BARs, or stops it. */
  setMemoryDecode(enabled: boolean): Promise<void> {
    return this.#setCommand(PCI_COMMAND_MEMORY, enabled);
  }

  /** What is still queued when the detaching begins is refused in its turn; what has begun ends. */
  #section(work: () => Promise<void>): Promise<void> {
    return this.#lock.run(() => this.#live.run(work));
  }

  #setCommand(bit: number, enabled: boolean): Promise<void> {
    return this.#section(async () => {
      const [low = 0, high = 0] = await this.#io.read(PCI_COMMAND, 2);
      const before = low | (high << 8);
      const after = enabled ? before | bit : before & ~bit;
      if (after !== before) await this.#io.write(PCI_COMMAND, Uint8Array.of(after, after >>> 8));
    });
  }

  async #write(offset: number, data: Uint8Array): Promise<void> {
    const kind = this.#overlay.kindOf(offset, data.length);
    if (kind === 'device') return this.#io.write(offset, data);
    const merged = data.slice();
    const current = kind === 'mixed' ? await this.#io.read(offset, data.length) : data;
    this.#overlay.write(offset, merged, current);
    if (kind === 'mixed') await this.#io.write(offset, merged);
  }

  async #view(offset: number, length: number): Promise<DataView> {
    const data = await this.read(offset, length);
    return new DataView(data.buffer, data.byteOffset, data.byteLength);
  }

  #check(offset: number, length: number): void {
    if (Number.isInteger(offset) && offset >= 0 && offset + length <= this.size) return;
    throw new VfioError(`config space has ${this.size} bytes: none at ${offset} to ${offset + length - 1}`, {
      code: 'ERR_OUT_OF_RANGE',
    });
  }
}
