import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

/** Returns integers from `low` to `high`, both inclusive. */
type Draw = (low: number, high: number) => number;

const PARTS = 0x7fff_ffff;
/** The first numbers of the generator depend little on its seed. */
const SKIPPED = 16;

/**
 * Independent sequences of random numbers, one for each name. So calls of one device do not change the faults of another
 * one, in whichever order the two run.
 */
export class RandomStreams {
  readonly #seed: number;
  readonly #streams = new Map<string, Draw>();

  /** @param seed 32 bits */
  constructor(seed: number) {
    this.#seed = seed;
  }

  /** Takes the next number of a stream. @returns true with the given probability */
  hits(name: string, probability: number): boolean {
    return this.#stream(name)(0, PARTS - 1) < probability * PARTS;
  }

  /** Takes the next number of a stream: an integer from `low` to `high`, both inclusive. */
  between(name: string, low: number, high: number): number {
    return this.#stream(name)(low, high);
  }

  #stream(name: string): Draw {
    const known = this.#streams.get(name);
    if (known !== undefined) return known;
    const generator = xoroshiro128plus(hash(name, this.#seed));
    for (let i = 0; i < SKIPPED; i++) generator.next();
    const draw: Draw = (low, high) => uniformInt(generator, low, high);
    this.#streams.set(name, draw);
    return draw;
  }
}

/** FNV-1a over the text, from a seed, with the bits mixed at the end. Source: draft-eastlake-fnv; MurmurHash3's fmix32 */
function hash(text: string, seed: number): number {
  let bits = 0x811c9dc5 ^ seed;
  for (let i = 0; i < text.length; i++) bits = Math.imul(bits ^ text.charCodeAt(i), 0x01000193);
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) | 0;
}
