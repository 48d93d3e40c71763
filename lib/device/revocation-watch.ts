import { announceRevocation, warn } from '../base/diagnostics.js';
import type { ConfigIo } from '../config-space/config-io.js';
import type { Fd } from '../kernel/kernel.js';
import type { OpenDevice } from '../kernel/liveness.js';
import { addon } from '../native/addon.js';
import type { WatcherHandle } from '../native/event.js';
import type { Region } from '../region/region.js';
import { MemoryDecoding } from './memory-decoding.js';

/** A region's mapping was revoked, or restored. */
export interface RevocationEvent {
  readonly device: string;
  readonly regionIndex: number;
  /** Where an access met the device that did not answer: bytes into the region. */
  readonly offset: number;
}

/** What a watch calls. */
export type RevocationListener = (change: 'revoked' | 'restored', event: RevocationEvent) => void;

/** How often a revoked device is looked at, milliseconds. */
const LOOK_EVERY_MS = 40;

/**
 * Watches the mapped regions of a device. It tells of each revocation, and restores the mappings as soon as the device decodes
 * memory again: it then looks at the command register and the power state, never at a BAR, and never at a device that the
 * engine has put to sleep. Thread: the one that attached the device.
 */
export class RevocationWatch {
  readonly #device: OpenDevice;
  readonly #revoked = new Map<Region, RevocationEvent>();
  #regions: readonly Region[] = [];
  /** Undefined for a device without config space, which is restored whenever its file can be mapped. */
  #decoding: MemoryDecoding | undefined;
  #tell: RevocationListener = () => undefined;
  #asleep = false;
  #closed = false;
  #timer: NodeJS.Timeout | undefined;
  #restoring: Promise<void> | undefined;

  constructor(device: OpenDevice) {
    this.#device = device;
  }

  /** Takes the device's config space. @returns the same, whose writes restore the mappings if they turn memory decoding on */
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

  /** Begins to watch. */
  start(regions: readonly (Region | undefined)[], tell: RevocationListener): void {
    this.#regions = regions.filter((region) => region !== undefined && region.mappings.length > 0) as Region[];
    this.#tell = tell;
    if (this.#regions.length > 0) watchThread(this);
  }

  /** Ends all of it; nothing is told any more. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    unwatchThread(this);
  }

  /** Looks which regions were revoked since the last time, and tells of them. */
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
    if (this.#revoked.size > 0) this.#lookLater();
  }

  /** Puts the device to sleep, which is then not looked at until `wake`: a look would wake it. @throws what `work` throws */
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

  /** The device is awake: restores its mappings. */
  wake(): Promise<void> {
    this.#asleep = false;
    return this.restore();
  }

  /** Restores the mappings if the device answers: after whatever may have woken it. Never throws. */
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
    if (this.#revoked.size > 0) this.#lookLater();
  }

  #lookLater(): void {
    if (this.#closed || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (!this.#asleep) void this.restore();
    }, LOOK_EVERY_MS).unref();
  }
}

/** The watches of this thread; native code tells of a revocation by one eventfd a thread. */
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
