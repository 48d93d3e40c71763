import type { Fd, MappingHandle } from '../../kernel/kernel.js';
import { systemError } from '../../base/errors.js';
import { addon } from '../../native/addon.js';

/**
 * The descriptors and mappings that a server's thread holds. They are recorded in shared memory, so that another thread
 * can close them after the server's thread died.
 *
 * | byte offset | size | name  | unit                                    | writer | reader                                  |
 * |-------------|------|-------|-----------------------------------------|--------|-----------------------------------------|
 * | 16 * i      | 4    | kind  | 0 free, 1 descriptor, 2 mapping handle  | server | server; the host after the thread's end |
 * | 16 * i + 8  | 8    | value | the descriptor or the handle (a double) | server | the same                                |
 *
 * Publish: 1. write the value, 2. write the kind. Release: 1. set the kind to 0, 2. close. Consume (`closeAll`): the
 * thread itself at its end, or another thread after it has ended. A crash between the steps of a release leaks that one
 * descriptor; no descriptor is closed twice.
 */
export class OwnedResources {
  readonly #kinds: Int32Array;
  readonly #values: Float64Array;
  readonly #slots = new Map<string, number>();
  #next = 0;

  /** @param memory made by `OwnedResources.memory`; each thread makes its own object over it */
  constructor(memory: SharedArrayBuffer) {
    this.#kinds = new Int32Array(memory);
    this.#values = new Float64Array(memory);
  }

  /** Allocates the table. @param slots how many descriptors and mappings it can record */
  static memory(slots = 8192): SharedArrayBuffer {
    return new SharedArrayBuffer(slots * SLOT_BYTES);
  }

  /** Records a descriptor, which this object owns from now on. @throws EMFILE if the table is full; `fd` is then closed */
  adoptFd(fd: Fd): Fd {
    if (this.#record(FD, fd)) return fd;
    addon.closeFdSync(fd);
    throw systemError('EMFILE', 'vfio-user');
  }

  /** Tells whether this thread owns a descriptor. */
  hasFd(fd: Fd): boolean {
    return this.#slots.has(`${FD}:${fd}`);
  }

  /** Closes a descriptor. */
  closeFd(fd: Fd): void {
    this.#forget(FD, fd);
    addon.closeFdSync(fd);
  }

  /** Records a mapping, which this object owns from now on. @throws EMFILE if the table is full; it is then closed */
  adoptMapping(mapping: MappingHandle): MappingHandle {
    if (this.#record(MAPPING, mapping)) return mapping;
    addon.mappingClose(mapping);
    throw systemError('EMFILE', 'vfio-user');
  }

  /** Unmaps a mapping at once. Its views read 0xFF from now on. */
  closeMapping(mapping: MappingHandle): void {
    this.#forget(MAPPING, mapping);
    addon.mappingRevoke(mapping);
    addon.mappingClose(mapping);
  }

  /** Closes all descriptors and mappings. */
  closeAll(): void {
    for (const [kind, value] of this.#entries()) {
      if (kind === FD) this.closeFd(value);
      else this.closeMapping(value);
    }
  }

  #entries(): [kind: number, value: number][] {
    const entries: [number, number][] = [];
    for (let slot = 0; slot < this.#count; slot++) {
      const kind = this.#kindOf(slot);
      if (kind !== FREE) entries.push([kind, this.#valueOf(slot)]);
    }
    return entries;
  }

  #record(kind: number, value: number): boolean {
    for (let tried = 0; tried < this.#count; tried++) {
      const slot = (this.#next + tried) % this.#count;
      if (this.#kindOf(slot) !== FREE) continue;
      this.#values[slot * 2 + 1] = value;
      this.#setKind(slot, kind);
      this.#slots.set(`${kind}:${value}`, slot);
      this.#next = slot + 1;
      return true;
    }
    return false;
  }

  /** Frees a slot. The map has the slots of this thread; those of a thread that ended are searched. */
  #forget(kind: number, value: number): void {
    const slot = this.#slots.get(`${kind}:${value}`) ?? this.#find(kind, value);
    this.#slots.delete(`${kind}:${value}`);
    if (slot >= 0) this.#setKind(slot, FREE);
  }

  #find(kind: number, value: number): number {
    for (let slot = 0; slot < this.#count; slot++) {
      if (this.#kindOf(slot) === kind && this.#valueOf(slot) === value) return slot;
    }
    return -1;
  }

  get #count(): number {
    return this.#values.length / 2;
  }

  #kindOf(slot: number): number {
    return Atomics.load(this.#kinds, slot * 4);
  }

  #setKind(slot: number, kind: number): void {
    Atomics.store(this.#kinds, slot * 4, kind);
  }

  #valueOf(slot: number): number {
    return this.#values[slot * 2 + 1] ?? -1;
  }
}

const SLOT_BYTES = 16;
const FREE = 0;
const FD = 1;
const MAPPING = 2;
