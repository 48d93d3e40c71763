/**
 * An object with a reference count, like the kernel's open files. A new object has one reference. The last `put`
 * releases the object.
 */
export abstract class ReferenceCounted {
  #references = 1;

  /** Takes one more reference. @throws Error if the object was released, which is a bug of the software core */
  get(): this {
    if (this.#references === 0) throw new Error('a released object got a new reference');
    this.#references += 1;
    return this;
  }

  /** Drops a reference. The last one releases the object, and the promise waits for that. */
  async put(): Promise<void> {
    this.#references -= 1;
    if (this.#references === 0) await this.release();
  }

  /** Frees what the object holds. Runs once, after the last `put`. */
  protected abstract release(): Promise<void> | void;
}
