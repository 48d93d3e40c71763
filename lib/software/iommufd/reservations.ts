import { LAST_ADDRESS, type IovaRange } from '../../base/iova-range.js';
import { failWith } from '../base/errno-failure.js';
import { exclude, intersects } from '../iommu/iova-ranges.js';

/**
 * The ranges of an IOAS that cannot be mapped, each with its owner (a device or a domain), and the ranges that the user wants to stay
 * free of them. Source: struct io_pagetable, reserved_itree, allowed_itree
 */
export class Reservations {
  #reserved: { readonly range: IovaRange; readonly owner: object }[] = [];
  #allowed: readonly IovaRange[] = [];

  get reserved(): IovaRange[] {
    return this.#reserved.map(({ range }) => range);
  }

  get allowed(): readonly IovaRange[] {
    return this.#allowed;
  }

  /** The ranges that can be mapped. */
  get usable(): IovaRange[] {
    return this.reserved.reduce(exclude, [{ start: 0n, last: LAST_ADDRESS }]);
  }

  /** Tells whether a range meets a reserved one. */
  meets(range: IovaRange): boolean {
    return this.#reserved.some((one) => intersects(one.range, range));
  }

  /** Reserves a range. @throws EADDRINUSE if the user wants a part of it to be free */
  add(range: IovaRange, owner: object): void {
    if (this.#allowed.some((allowed) => intersects(allowed, range))) failWith('EADDRINUSE');
    this.#reserved.push({ range, owner });
  }

  /** Ends the reservations of an owner. */
  remove(owner: object): void {
    this.#reserved = this.#reserved.filter((one) => one.owner !== owner);
  }

  /**
   * Replaces the ranges that stay free.
   * @throws EINVAL for a range of less than two bytes, or ranges that overlap; EADDRINUSE if a part is reserved
   */
  allow(ranges: readonly IovaRange[]): void {
    ranges.forEach((range, index) => {
      if (range.start >= range.last || ranges.slice(0, index).some((before) => intersects(before, range)))
        failWith('EINVAL');
    });
    if (ranges.some((range) => this.meets(range))) failWith('EADDRINUSE');
    this.#allowed = [...ranges];
  }
}
