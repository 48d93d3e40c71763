import { argumentError, requireBits, requireObject, requireInteger } from '../base/arguments.js';
import { VfioError } from '../base/errors.js';
import { Mutex } from '../base/mutex.js';
import type { Liveness } from '../kernel/liveness.js';
import {
  walkCapabilities,
  walkExtendedCapabilities,
  type Capability,
  type ExtendedCapability,
} from './capabilities.js';
import type { ConfigIo } from './config-io.js';
import { parseHeader, type ConfigHeader } from './header.js';
import { ConfigOverlay, type EmulatedField } from './overlay.js';
import {
  PCI_CFG_SPACE_SIZE,
  PCI_COMMAND,
  PCI_COMMAND_MASTER,
  PCI_COMMAND_MEMORY,
  PCI_DEVICE_ID,
  PCI_STD_HEADER_SIZEOF,
  PCI_SUBSYSTEM_ID,
  PCI_SUBSYSTEM_VENDOR_ID,
  PCI_VENDOR_ID,
} from '../uapi/pci.js';

const ID_OFFSETS = {
  vendorId: PCI_VENDOR_ID,
  deviceId: PCI_DEVICE_ID,
  subsystemVendorId: PCI_SUBSYSTEM_VENDOR_ID,
  subsystemId: PCI_SUBSYSTEM_ID,
} as const;
const ID_NAMES = Object.keys(ID_OFFSETS) as (keyof typeof ID_OFFSETS)[];
const LAST_ID = 0xffff;

/** Ids that config space shows instead of those of the device. Each one has 16 bits. Default: the id of the device. */
export interface IdOverrides {
  /** Replaces PCI_VENDOR_ID. */
  readonly vendorId?: number;
  /** Replaces PCI_DEVICE_ID. */
  readonly deviceId?: number;
  /** Replaces PCI_SUBSYSTEM_VENDOR_ID. */
  readonly subsystemVendorId?: number;
  /** Replaces PCI_SUBSYSTEM_ID. */
  readonly subsystemId?: number;
}

/**
 * The config space of a device, with emulated bits over it. Every access is a `pread` or a `pwrite` on a call thread.
 * Offsets and lengths are bytes.
 * @throws (rejects) from every access: ERR_INVALID_ARGUMENT for an argument of the wrong type; ERR_OUT_OF_RANGE outside of
 *   config space; ERR_SHORT_TRANSFER, or the errno of the transfer; ERR_CLOSED if the device is detached. Detaching waits
 *   for accesses that have begun.
 * Thread: the one that attached the device.
 */
export class ConfigSpace {
  readonly #io: ConfigIo;
  readonly #live: Liveness;
  readonly #overlay: ConfigOverlay;
  /** Keeps other writes out of a read that is followed by a write. */
  readonly #lock = new Mutex();

  private constructor(io: ConfigIo, live: Liveness) {
    this.#io = io;
    this.#live = live;
    this.#overlay = new ConfigOverlay(io.size);
  }

  /** @internal Use `Device.config`. */
  static create(io: ConfigIo, live: Liveness): ConfigSpace {
    return new ConfigSpace(io, live);
  }

  /** The size of config space in bytes: 256 or 4096. */
  get size(): number {
    return this.#io.size;
  }

  /** Reads bytes; emulated bits replace those of the device. @throws see the class */
  async read(offset: number, length: number): Promise<Uint8Array> {
    this.#check(offset, length);
    const data = await this.#live.run(() => this.#io.read(offset, length));
    this.#overlay.apply(offset, data);
    return data;
  }

  /** Writes bytes; emulated bits are stored here and do not reach the device. @throws see the class */
  async write(offset: number, data: Uint8Array): Promise<void> {
    if (!(data instanceof Uint8Array)) throw argumentError('data', 'a Uint8Array', data);
    this.#check(offset, data.length);
    await this.#section(() => this.#write(offset, data));
  }

  /** Reads a byte. @throws see the class */
  async read8(offset: number): Promise<number> {
    return (await this.#view(offset, 1)).getUint8(0);
  }

  /** Reads 16 bits. @throws see the class */
  async read16(offset: number): Promise<number> {
    return (await this.#view(offset, 2)).getUint16(0, true);
  }

  /** Reads 32 bits. @throws see the class */
  async read32(offset: number): Promise<number> {
    return (await this.#view(offset, 4)).getUint32(0, true);
  }

  /** Writes a byte. @param value an integer, of which the low bits are written @throws see the class */
  write8(offset: number, value: number): Promise<void> {
    return this.#writeValue(offset, 1, value);
  }

  /** Writes 16 bits. @param value an integer, of which the low bits are written @throws see the class */
  write16(offset: number, value: number): Promise<void> {
    return this.#writeValue(offset, 2, value);
  }

  /** Writes 32 bits. @param value an integer, of which the low bits are written @throws see the class */
  write32(offset: number, value: number): Promise<void> {
    return this.#writeValue(offset, 4, value);
  }

  /** Reads and parses the header. @throws see the class */
  async header(): Promise<ConfigHeader> {
    return parseHeader(await this.read(0, PCI_STD_HEADER_SIZEOF));
  }

  /** Lists the standard capabilities, in the order of their list. @throws see the class */
  async capabilities(): Promise<Capability[]> {
    return walkCapabilities(await this.read(0, Math.min(this.size, PCI_CFG_SPACE_SIZE)));
  }

  /** Lists the extended capabilities; the list is empty if config space has 256 bytes. @throws see the class */
  async extendedCapabilities(): Promise<ExtendedCapability[]> {
    return this.size <= PCI_CFG_SPACE_SIZE ? [] : walkExtendedCapabilities(await this.read(0, this.size));
  }

  /** Emulates bits of config space. @throws ERR_INVALID_ARGUMENT if the field is outside of config space */
  emulate(field: EmulatedField): void {
    this.#overlay.add(field);
  }

  /** Shows other ids than those of the device. @throws ERR_INVALID_ARGUMENT if an id has more than 16 bits */
  overrideIds(ids: IdOverrides): void {
    requireObject('ids', ids);
    for (const name of ID_NAMES) if (ids[name] !== undefined) requireInteger(name, ids[name], 0, LAST_ID);
    for (const name of ID_NAMES) {
      const value = ids[name];
      if (value !== undefined) this.emulate({ offset: ID_OFFSETS[name], width: 2, value });
    }
  }

  /** Allows the device to do DMA and send interrupt messages, or stops it. @throws see the class */
  setBusMaster(enabled: boolean): Promise<void> {
    return this.#setCommand(PCI_COMMAND_MASTER, enabled);
  }

  /** Lets the device answer at its memory BARs, or stops it. @throws see the class */
  setMemoryDecode(enabled: boolean): Promise<void> {
    return this.#setCommand(PCI_COMMAND_MEMORY, enabled);
  }

  /** Runs sections one at a time. Sections that have not begun when detaching begins fail with ERR_CLOSED. */
  #section(work: () => Promise<void>): Promise<void> {
    return this.#lock.run(() => this.#live.run(work));
  }

  async #setCommand(bit: number, enabled: boolean): Promise<void> {
    if (typeof enabled !== 'boolean') throw argumentError('enabled', 'true or false', enabled);
    await this.#section(async () => {
      const [low = 0, high = 0] = await this.#io.read(PCI_COMMAND, 2);
      const before = low | (high << 8);
      const after = enabled ? before | bit : before & ~bit;
      if (after !== before) await this.#io.write(PCI_COMMAND, Uint8Array.of(after, after >>> 8));
    });
  }

  async #writeValue(offset: number, width: 1 | 2 | 4, value: number): Promise<void> {
    requireBits('value', value);
    await this.write(
      offset,
      Uint8Array.from({ length: width }, (_, index) => value >>> (8 * index)),
    );
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
    for (const [name, value] of [
      ['offset', offset],
      ['length', length],
    ] as const) {
      if (!Number.isSafeInteger(value)) throw argumentError(name, 'an integer', value);
    }
    if (offset >= 0 && length >= 0 && offset + length <= this.size) return;
    const range = `${length} bytes at offset ${offset} are outside of config space`;
    throw new VfioError(`${range}, which has ${this.size} bytes`, { code: 'ERR_OUT_OF_RANGE' });
  }
}
