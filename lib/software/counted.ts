/** An object that its users hold: whoever puts the last reference releases it. It starts with one. */
export abstract class Counted {
  #references = 1;

  get references(): number {
    return this.#references;
  }

  get(): this {
    if (this.#references === 0) throw new Error('a released object was taken again');
    this.#references += 1;
    return this;
  }

  async put(): Promise<void> {
    this.#references -= 1;
    if (this.#references === 0) await this.release();
  }

  protected abstract release(): Promise<void> | void;
}
