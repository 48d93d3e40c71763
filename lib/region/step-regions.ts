import type { RegionDescriptor } from './descriptor.js';

/** Steps in a row on one region. */
interface RegionSteps {
  readonly first: number;
  readonly region: RegionDescriptor;
}

/** Remembers on which region each step of a program is made. */
export class StepRegions {
  readonly #changes: RegionSteps[];

  /** @param region of the steps from 0 on */
  constructor(region: RegionDescriptor) {
    this.#changes = [{ first: 0, region }];
  }

  /** Sets the region of the steps from `first` on. */
  set(first: number, region: RegionDescriptor): void {
    this.#changes.push({ first, region });
  }

  /** Forgets all steps. */
  clear(region: RegionDescriptor): void {
    if (this.#changes.length > 1) this.#changes.splice(0, Infinity, { first: 0, region });
  }

  /** Finds the region of a step. */
  of(step: number): RegionDescriptor {
    return (this.#changes.findLast(({ first }) => first <= step) as RegionSteps).region;
  }
}
