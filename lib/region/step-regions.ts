import { addon } from '../native/addon.js';
import type { ProgramHandle, RegionHandle, RegionNumber } from '../native/lane.js';
import type { RegionDescriptor } from './descriptor.js';

/** Steps in a row on one region. */
interface RegionSteps {
  readonly first: number;
  readonly region: RegionDescriptor;
}

/** How many regions of earlier steps keep their numbers when a program is cleared. */
const MOST_KEPT = 64;

/** Gives regions to a program, and remembers on which region each step is made. */
export class StepRegions {
  readonly #changes: RegionSteps[] = [];
  readonly #numbers = new Map<RegionHandle, RegionNumber>();

  /** @param program the program of the steps */
  constructor(private readonly program: ProgramHandle) {}

  /** Whether the region was changed since the last clear. */
  get isMixed(): boolean {
    return this.#changes.length > 1;
  }

  /** Sets the region of the steps from `first` on. @returns the region's number in the program */
  set(first: number, region: RegionDescriptor): RegionNumber {
    this.#changes.push({ first, region });
    return this.#numbers.get(region.handle) ?? this.#give(region);
  }

  /** Forgets all steps. The steps that follow are on `region`, which was set. @returns its number */
  clear(region: RegionDescriptor): RegionNumber {
    this.#changes.splice(0, Infinity, { first: 0, region });
    if (this.#numbers.size > MOST_KEPT) this.#takeAllAway();
    return this.#numbers.get(region.handle) ?? this.#give(region);
  }

  /** Finds the region of a step. */
  of(step: number): RegionDescriptor {
    return (this.#changes.findLast(({ first }) => first <= step) as RegionSteps).region;
  }

  #give(region: RegionDescriptor): RegionNumber {
    const number = addon.reachAddRegion(this.program, region.handle);
    this.#numbers.set(region.handle, number);
    return number;
  }

  #takeAllAway(): void {
    for (const number of this.#numbers.values()) addon.reachRemoveRegion(this.program, number);
    this.#numbers.clear();
  }
}
