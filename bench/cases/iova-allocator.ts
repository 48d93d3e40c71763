import { IovaAllocator } from '../../lib/dma/iova/iova-allocator.js';
import type { BenchCase } from '../case.js';
import { randomNumbers } from '../random-numbers.js';
import { nanosecondsEach } from '../timing.js';

const PAGE = 4096;
const FEW = 100;
const MANY = 65_000;
const OPERATIONS = 20_000;
const RANGES = [
  { start: 0n, last: 0xfedfffffn },
  { start: 0xfef00000n, last: 0xffffffffffffn },
];
const LAST = (1n << 64n) - 1n;
const BELOW_4G = (1n << 32n) - 1n;

/** An allocator that holds so many mappings of random sizes and alignments, among the holes of as many that are gone. */
class Busy {
  readonly #random = randomNumbers(0x5eed);
  readonly #allocator = new IovaAllocator(PAGE, RANGES);
  /** Pairs of an IOVA and a size: as objects, their own cache misses would be measured. */
  readonly #live: Float64Array;
  #count = 0;

  constructor(mappings: number) {
    this.#live = new Float64Array(4 * mappings);
    while (this.#count < 2 * mappings) this.#map(LAST);
    while (this.#count > mappings) this.#unmap();
  }

  /** One map at a time and one unmap, so that their number stays. */
  run(operations: number): void {
    for (let done = 0; done < operations; done++) {
      this.#map(this.#random() % 16 === 0 ? BELOW_4G : LAST);
      this.#unmap();
    }
  }

  #map(limit: bigint): void {
    // A page up to 64 KiB, aligned to a page up to 2 MiB, below 4 GiB to 64 KiB: often to more than the size.
    const size = BigInt((1 + (this.#random() % 16)) * PAGE);
    const alignment = BigInt(PAGE * 2 ** (this.#random() % (limit === LAST ? 10 : 5)));
    const iova = this.#allocator.allocate({ size, alignment, limit });
    if (iova === undefined) throw new Error(`no ${size} bytes are free up to ${limit}`);
    this.#live[2 * this.#count] = Number(iova);
    this.#live[2 * this.#count + 1] = Number(size);
    this.#count += 1;
  }

  #unmap(): void {
    const live = this.#live;
    const gone = 2 * (this.#random() % this.#count);
    this.#allocator.release(BigInt(live[gone] as number), BigInt(live[gone + 1] as number));
    this.#count -= 1;
    live.copyWithin(gone, 2 * this.#count, 2 * this.#count + 2);
  }
}

/** What taking an IOVA and giving one back costs beside many mappings, over what it costs beside few. */
const iovaAllocator: BenchCase = {
  name: 'iova-allocator',
  title: `one IOVA taken and one given back beside ${MANY} mappings, of random sizes and alignments`,
  unit: 'ns',
  bar: 2,
  comparison: `${MANY} mappings with ${FEW}`,
  prepare() {
    const [many, few] = [new Busy(MANY), new Busy(FEW)];
    return Promise.resolve({
      subject: () => [nanosecondsEach(OPERATIONS, () => many.run(OPERATIONS))],
      baseline: () => [nanosecondsEach(OPERATIONS, () => few.run(OPERATIONS))],
      close: () => undefined,
    });
  },
};

export default iovaAllocator;
