import type { Fd, MappingHandle } from '../../kernel/kernel.js';
import { systemError } from '../../base/errors.js';
import { addon } from '../../native/addon.js';

/**
 * What a server's thread holds of the process: descriptors and mappings, written down in shared memory so that another
 * thread can close them when the server's died in the middle.
 *
 * | byte offset | size | name  | unit                                   | writer       | reader                        |
 * |-------------|------|-------|----------------------------------------|--------------|-------------------------------|
 * | 8 * i       | 4    | kind  | 0 free, 1 descriptor, 2 mapping handle | server       | server; the owner after death |
 * | 8 * i + 4   | 4    | value | the descriptor or the handle           | server       | the same                      |
 *
 * Publish: 1. the value, 2. the kind. Release: 1. the kind to 0, 2. the close. Consume (`closeAll`): only by the thread
 * itself at its end, or by another one once the thread has ended. A crash between the steps of a release leaks that one
 * descriptor; it never closes one twice.
 */
export class OwnedResources {
  readonly #words: Int32Array;
  readonly #slots = new Map<string, number>();
  #next = 0;

  /** @param memory what `OwnedResources.memory` made; each thread makes its own object over it */
  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
  }

  /** Allocates the table. @param slots how many descriptors and mappings may be held at once */
  static memory(slots = 8192): SharedArrayBuffer {
    return new SharedArrayBuffer(slots * 8);
  }

  /** Owns a descriptor from now on. @throws EMFILE when the table is full; the descriptor is then closed */
  adoptFd(fd: Fd): Fd {
    if (this.#record(FD, fd)) return fd;
    addon.closeFdSync(fd);
    throw systemError('EMFILE', 'vfio-user');
  }

  /** Tells whether this thread owns a descriptor. */
  hasFd(fd: Fd): boolean {
    return this.#slots.has(`${FD}:${fd}`);
  }

  closeFd(fd: Fd): void {
    this.#forget(FD, fd);
    addon.closeFdSync(fd);
  }

  /** Owns a mapping from now on. @throws EMFILE when the table is full; the mapping is then closed */
  adoptMapping(mapping: MappingHandle): MappingHandle {
    if (this.#record(MAPPING, mapping)) return mapping;
    addon.mappingClose(mapping);
    throw systemError('EMFILE', 'vfio-user');
  }

  /** Drops a mapping at once: its views read 0xFF from now on, and the file is let go. */
  closeMapping(mapping: MappingHandle): void {
    this.#forget(MAPPING, mapping);
    addon.mappingRevoke(mapping);
    addon.mappingClose(mapping);
  }

  /** How many are held. */
  get size(): number {
    return this.#entries().length;
  }

  /** Closes all that is left. */
  closeAll(): void {
    for (const [kind, value] of this.#entries()) {
      if (kind === FD) this.closeFd(value);
      else this.closeMapping(value);
    }
  }

  #entries(): [kind: number, value: number][] {
    const entries: [number, number][] = [];
    for (let at = 0; at < this.#words.length; at += 2) {
      const kind = Atomics.load(this.#words, at);
      if (kind !== FREE) entries.push([kind, Atomics.load(this.#words, at + 1)]);
    }
    return entries;
  }

  #record(kind: number, value: number): boolean {
    for (let tried = 0; tried < this.#words.length; tried += 2) {
      const at = (this.#next + tried) % this.#words.length;
      if (Atomics.load(this.#words, at) !== FREE) continue;
      Atomics.store(this.#words, at + 1, value);
      Atomics.store(this.#words, at, kind);
      this.#slots.set(`${kind}:${value}`, at);
      this.#next = at + 2;
      return true;
    }
    return false;
  }

  /** The map knows this thread's own entries; those of a dead thread are looked for. */
  #forget(kind: number, value: number): void {
    const at = this.#slots.get(`${kind}:${value}`) ?? this.#find(kind, value);
    this.#slots.delete(`${kind}:${value}`);
    if (at >= 0) Atomics.store(this.#words, at, FREE);
  }

  #find(kind: number, value: number): number {
    for (let at = 0; at < this.#words.length; at += 2) {
      if (Atomics.load(this.#words, at) === kind && Atomics.load(this.#words, at + 1) === value) return at;
    }
    return -1;
  }
}

const FREE = 0;
const FD = 1;
const MAPPING = 2;
