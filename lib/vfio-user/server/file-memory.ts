import { fstatSync } from 'node:fs';

import { VfioError } from '../../base/errors.js';
import type { Fd, MappingHandle } from '../../kernel/kernel.js';
import { addon } from '../../native/addon.js';
import { PROT_READ, PROT_WRITE } from '../../uapi/mman.js';
import { VFIO_USER_DMA_MAP_FLAG_WRITE } from '../protocol/protocol.js';
import type { OwnedResources } from './owned-resources.js';

/** The most bytes of a file in one mapping: a multiple of the largest huge page, below the limit of a typed array. */
const WINDOW_SIZE = 1n << 30n;

interface Window {
  readonly mapping: MappingHandle;
  readonly bytes: Uint8Array;
}

/** A file of the client's memory. Each window of it is mapped when the device first accesses it. */
export class FileMemory {
  readonly #windows = new Map<bigint, Window>();
  /** How many DMA ranges use this file. */
  references = 0;

  constructor(
    private readonly fd: Fd,
    private readonly writable: boolean,
    private size: bigint,
    private readonly owned: OwnedResources,
  ) {}

  /** Records a new size of the file, and unmaps windows that are now incomplete. */
  resize(size: bigint): void {
    if (size === this.size) return;
    for (const [start, window] of this.#windows) {
      if (BigInt(window.bytes.length) < WINDOW_SIZE) this.#unmap(start, window);
    }
    this.size = size;
  }

  /**
   * Returns the bytes from `offset` on, at most `length`, and not past the end of the window.
   * @throws the error of mmap
   */
  view(offset: bigint, length: number): Uint8Array {
    const start = (offset / WINDOW_SIZE) * WINDOW_SIZE;
    const window = this.#windows.get(start) ?? this.#map(start);
    const within = Number(offset - start);
    return window.bytes.subarray(within, within + length);
  }

  /** Unmaps all windows and closes the file. */
  close(): void {
    for (const [start, window] of this.#windows) this.#unmap(start, window);
    this.owned.closeFd(this.fd);
  }

  #map(start: bigint): Window {
    const left = this.size - start;
    const length = Number(left < WINDOW_SIZE ? left : WINDOW_SIZE);
    const prot = this.writable ? PROT_READ | PROT_WRITE : PROT_READ;
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

/**
 * The files of a client's DMA ranges. Each file is held once: with a guest IOMMU, a client maps single pages, each with
 * another descriptor of the same file.
 */
export class FileMemories {
  readonly #files = new Map<string, FileMemory>();
  readonly #keys = new Map<FileMemory, string>();

  constructor(private readonly owned: OwnedResources) {}

  /**
   * Opens the file of a DMA range.
   * @param fd owned by this object from now on, also if the call fails
   * @param flags the flags of DMA_MAP
   * @param offset where the range starts in the file, in bytes
   * @param end where the range ends in the file, in bytes
   * @returns 'short' if the file is shorter than `end`; undefined if it cannot be mapped (not a regular file, or mmap
   * fails): messages reach the memory then
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
      // The descriptor is not open for writing, or memory is short. The client copies instead.
      if (error instanceof VfioError) return undefined;
      throw error;
    }
  }

  /** Releases a file. When no range uses it any more, it is unmapped and closed. */
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
