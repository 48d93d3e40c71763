import { announceRevocation, warn } from '../base/diagnostics.js';
import type { ConfigIo } from '../config-space/config-io.js';
import type { Fd } from '../kernel/kernel.js';
import type { OpenDevice } from '../kernel/liveness.js';
import { addon } from '../native/addon.js';
import type { WatcherHandle } from '../native/event.js';
import type { Region } from '../region/region.js';
import { MemoryDecoding } from './memory-decoding.js';

/** The region whose mapping was revoked or restored. */
export interface RevocationEvent {
  /** The name of the device. */
  readonly device: string;
  /** The index of the region. */
  readonly regionIndex: number;
  /** The offset of the access that the device did not answer, in bytes from the start of the region. */
  readonly offset: number;
}

/** Called for each change. */
export type RevocationListener = (change: 'revoked' | 'restored', event: RevocationEvent) => void;

/** The interval at which a revoked device is checked, milliseconds. */
const CHECK_INTERVAL_MS = 40;

/**
 * Watches the mapped regions of a device. It reports each revocation and restores the mappings when the device decodes memory
 * again. To find out, it reads the command register and the power state. It never reads a BAR, and never checks a device that
 * the engine has put to sleep, because that would wake it. Thread: the one that attached the device.
 */
export class RevocationWatch {
  readonly #device: OpenDevice;
  readonly #revoked = new Map<Region, RevocationEvent>();
  #regions: readonly Region[] = [];
  /** Undefined for a device without config space: its mappings are restored as soon as its file can be mapped. */
  #decoding: MemoryDecoding | undefined;
  #tell: RevocationListener = () => undefined;
  #asleep = false;
  #closed = false;
  #timer: NodeJS.Timeout | undefined;
  #restoring: Promise<void> | undefined;

  constructor(device: OpenDevice) {
    this.#device = device;
  }

  /**
   * Follows the writes to config space.
   * @returns the transfers to use from now on; a write that turns memory decoding on restores the mappings
   */
  follow(io: ConfigIo): ConfigIo {
    const decoding = (this.#decoding = new MemoryDecoding(io));
    return {
      size: io.size,
      read: (offset, length) => io.read(offset, length),
      write: async (offset, data) => {
        await io.write(offset, data);
        if (decoding.isTouchedBy(offset, data.length)) await this.restore();
      },
    };
  }

  /** Begins to watch. @param tell called for each change */
  start(regions: readonly (Region | undefined)[], tell: RevocationListener): void {
    this.#regions = regions.filter((region) => region !== undefined && region.mappings.length > 0) as Region[];
    this.#tell = tell;
    if (this.#regions.length > 0) watchThread(this);
  }

  /** Ends the watch. No change is reported afterwards. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    unwatchThread(this);
  }

  /** Finds the regions that were revoked since the last call, and reports them. */
  notice(): void {
    for (const region of this.#regions) {
      if (this.#revoked.has(region) || !region.revoked) continue;
      const index = region.mappings.findIndex(({ revoked }) => revoked);
      const offset = (region.descriptor.areas[index]?.offset ?? 0) + (region.mappings[index]?.faultOffset ?? 0);
      const event = { device: this.#device.name, regionIndex: region.regionIndex, offset };
      this.#revoked.set(region, event);
      announceRevocation('revoked', event);
      this.#tell('revoked', event);
    }
    if (this.#revoked.size > 0) this.#checkLater();
  }

  /** Puts the device to sleep by `work`. The device is not checked until `wake`. @throws what `work` throws */
  async sleep<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#asleep;
    this.#asleep = true;
    try {
      return await work();
    } catch (error) {
      this.#asleep = before;
      throw error;
    }
  }

  /** Restores the mappings after the device has been woken up. */
  wake(): Promise<void> {
    this.#asleep = false;
    return this.restore();
  }

  /** Restores the mappings if the device decodes memory. Called after everything that may have woken it. Never throws. */
  async restore(): Promise<void> {
    this.notice();
    if (this.#revoked.size === 0 || this.#asleep || this.#closed) return;
    this.#restoring ??= this.#restoreAll().finally(() => (this.#restoring = undefined));
    await this.#restoring;
  }

  async #restoreAll(): Promise<void> {
    try {
      await this.#device.live.run(async () => {
        if (this.#decoding !== undefined && !(await this.#decoding.on())) return;
        for (const [region, event] of this.#revoked) {
          await region.restoreMappings();
          this.#revoked.delete(region);
          announceRevocation('restored', event);
          this.#tell('restored', event);
        }
      });
    } catch (error) {
      if (!this.#closed && this.#device.live.open) warn('restoring a revoked mapping failed', error, this.#device.name);
    }
    if (this.#revoked.size > 0) this.#checkLater();
  }

  #checkLater(): void {
    if (this.#closed || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (!this.#asleep) void this.restore();
    }, CHECK_INTERVAL_MS).unref();
  }
}

/** The watches of this thread. Native code reports revocations by one eventfd for each thread. */
const watches = new Set<RevocationWatch>();
let watcher: WatcherHandle | undefined;

function watchThread(watch: RevocationWatch): void {
  watches.add(watch);
  if (watcher !== undefined) return;
  const eventfd: Fd = addon.revocationEventfd();
  watcher = addon.watcherCreate(eventfd, () => watches.forEach((each) => each.notice()));
  addon.watcherSetRef(watcher, false);
}

function unwatchThread(watch: RevocationWatch): void {
  watches.delete(watch);
  if (watches.size > 0 || watcher === undefined) return;
  addon.watcherClose(watcher);
  watcher = undefined;
}
