import { types } from 'node:util';

import { argumentError } from '../base/arguments.js';
import { addon } from '../native/addon.js';
import type { BufferNumber, LaneHandle, ProgramHandle } from '../native/lane.js';

/** A number to take away when its buffer has been collected. */
interface Given {
  readonly numbers: WeakRef<BufferNumbers>;
  readonly number: BufferNumber;
}

const collected = new FinalizationRegistry<Given>(({ numbers, number }) => numbers.deref()?.takeAway(number));

/**
 * Gives buffers to a lane or a program, each once. A buffer keeps its number, and its memory, until it is collected.
 * Thread: the one that created it.
 */
export class BufferNumbers {
  readonly #numbers = new WeakMap<object, BufferNumber>();
  #closed = false;

  /** @param owner the lane or program */
  constructor(private readonly owner: LaneHandle | ProgramHandle) {}

  /** Returns the number of a buffer. @throws ERR_INVALID_ARGUMENT if `buffer` is not a SharedArrayBuffer; EBADF; ENFILE */
  of(buffer: SharedArrayBuffer): BufferNumber {
    const known = this.#numbers.get(buffer);
    if (known !== undefined) return known;
    if (!types.isSharedArrayBuffer(buffer)) throw argumentError('buffer', 'a SharedArrayBuffer', buffer);
    return this.#give(buffer);
  }

  /** Returns the number of the buffer that holds the steps of a program. @throws EBADF; ENFILE */
  ofProgram(program: ProgramHandle): BufferNumber {
    return this.#numbers.get(program) ?? this.#give(program);
  }

  /** @internal Takes a buffer away. For the registry of collected buffers. */
  takeAway(number: BufferNumber): void {
    if (!this.#closed) addon.reachRemoveBuffer(this.owner, number);
  }

  /** Call it before the lane is closed. */
  close(): void {
    this.#closed = true;
  }

  #give(buffer: SharedArrayBuffer | ProgramHandle): BufferNumber {
    const number = addon.reachAddBuffer(this.owner, buffer);
    this.#numbers.set(buffer, number);
    collected.register(buffer, { numbers: new WeakRef(this), number });
    return number;
  }
}
