import { fstatSync } from 'node:fs';

import { VfioError } from '../../base/errors.js';
import type { Fd, MappingHandle } from '../../kernel/kernel.js';
import { addon } from '../../native/addon.js';
import { VFIO_USER_DMA_MAP_FLAG_WRITE } from '../protocol/protocol.js';
import type { OwnedResources } from './owned-resources.js';

/** Bytes of a file that one mmap takes: a multiple of the largest huge page, and well inside a typed array's limit. */
const WINDOW = 1n << 30n;
const PROT_READ = 1;
const PROT_READ_WRITE = 3;

interface Window {
  readonly mapping: MappingHandle;
  readonly bytes: Uint8Array;
}

/** A file of the client's memory. It is mapped a window at a time, when the device first reaches there. */
class FileMemory {
  readonly #windows = new Map<bigint, Window>();
  references = 0;

  constructor(
    private readonly fd: Fd,
    private readonly writable: boolean,
    private size: bigint,
    private readonly owned: OwnedResources,
  ) {}

  /** Takes note of the file's size, which may have grown. */
  resize(size: bigint): void {
    if (size === this.size) return;
    for (const [start, window] of this.#windows) {
      if (BigInt(window.bytes.length) < WINDOW) this.#unmap(start, window);
    }
    this.size = size;
  }

  /** @returns the bytes from `offset` on, at most `length` and no more than its window has. @throws what mmap does */
  view(offset: bigint, length: number): Uint8Array {
    const start = (offset / WINDOW) * WINDOW;
    const window = this.#windows.get(start) ?? this.#map(start);
    const within = Number(offset - start);
    return window.bytes.subarray(within, within + length);
  }

  close(): void {
    for (const [start, window] of this.#windows) this.#unmap(start, window);
    this.owned.closeFd(this.fd);
  }

  #map(start: bigint): Window {
    const left = this.size - start;
    const length = Number(left < WINDOW ? left : WINDOW);
    const prot = this.writable ? PROT_READ_WRITE : PROT_READ;
    const mapping = this.owned.adoptMapping(addon.mappingCreate(this.fd, start, length, prot));
    const window = { mapping, bytes: new Uint8Array(addon.mappingView(mapping)) };
    this.#windows.set(start, window);
    return window;
  }

  #unmap(start: bigint, window: Window): void {
    this.#windows.delete(start);
    this.owned.closeMapping(window.mapping);
  }
}

export type { FileMemory };

/**
 * The files behind a client's DMA maps, each held once: under a guest IOMMU a client maps one 4 KiB page after the other,
 * each with a fresh descriptor of the same file.
 */
export class FileMemories {
  readonly #files = new Map<string, FileMemory>();
  readonly #keys = new Map<FileMemory, string>();

  constructor(private readonly owned: OwnedResources) {}

  /**
   * Takes a descriptor, which it owns whatever happens.
   * @param flags of DMA_MAP: what the file is mapped for
   * @param end how far the file has to reach, in bytes
   * @returns undefined for a file that cannot be mapped (no regular file, or mmap refuses): messages do then
   */
  open(fd: Fd, flags: number, offset: bigint, end: bigint): FileMemory | 'short' | undefined {
    const stat = fstatSync(fd, { bigint: true });
    if (!stat.isFile() || end > stat.size) {
      this.owned.closeFd(fd);
      return stat.isFile() ? 'short' : undefined;
    }
    const writable = (flags & VFIO_USER_DMA_MAP_FLAG_WRITE) !== 0;
    const file = this.#share(`${stat.dev}:${stat.ino}:${writable}`, fd, writable, stat.size);
    file.references += 1;
    try {
      file.view(offset, 1);
      return file;
    } catch (error) {
      this.close(file);
      // The descriptor is not open for writing, or memory is short: the client's own copying does instead.
      if (error instanceof VfioError) return undefined;
      throw error;
    }
  }

  /** Gives a file back; the last one unmaps and closes it. */
  close(file: FileMemory): void {
    file.references -= 1;
    if (file.references > 0) return;
    this.#files.delete(this.#keys.get(file) ?? '');
    this.#keys.delete(file);
    file.close();
  }

  #share(key: string, fd: Fd, writable: boolean, size: bigint): FileMemory {
    const known = this.#files.get(key);
    if (known !== undefined) {
      this.owned.closeFd(fd);
      known.resize(size);
      return known;
    }
    const file = new FileMemory(fd, writable, size, this.owned);
    this.#files.set(key, file);
    this.#keys.set(file, key);
    return file;
  }
}
