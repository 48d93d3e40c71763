import { IovaAllocator } from '../../lib/dma/iova/iova-allocator.js';
import type { BenchCase } from '../harness/case.js';
import { randomNumbers } from '../fixtures/random-numbers.js';

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

/** An allocator that holds mappings of random sizes and alignments, between the holes that as many freed ones left. */
class Busy {
  readonly #random = randomNumbers(0x5eed);
  readonly #allocator = new IovaAllocator(PAGE, RANGES);
  /** Pairs of an IOVA and a size. Objects would add cache misses of their own to the measurement. */
  readonly #live: Float64Array;
  #count = 0;

  constructor(mappings: number) {
    this.#live = new Float64Array(4 * mappings);
    while (this.#count < 2 * mappings) this.#map(LAST);
    while (this.#count > mappings) this.#unmap();
  }

  /** Each operation is one map and one unmap, so that the number of mappings stays. */
  run(operations: number): void {
    for (let done = 0; done < operations; done++) {
      this.#map(this.#random() % 16 === 0 ? BELOW_4G : LAST);
      this.#unmap();
    }
  }

  #map(limit: bigint): void {
    // Sizes of 4 to 64 KiB, alignments of 4 KiB to 2 MiB (64 KiB below 4 GiB): often more than the size.
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

/** The cost of allocating and releasing an IOVA among many mappings, compared with the cost among few. */
const iovaAllocator: BenchCase = {
  name: 'iova-allocator',
  title: `allocating one IOVA and releasing one among ${MANY} mappings of random sizes and alignments`,
  unit: 'ns',
  bar: 2,
  comparison: `${MANY} mappings with ${FEW}`,
  prepare() {
    const [many, few] = [new Busy(MANY), new Busy(FEW)];
    return Promise.resolve({
      subject: { operations: OPERATIONS, run: () => many.run(OPERATIONS) },
      baseline: { operations: OPERATIONS, run: () => few.run(OPERATIONS) },
      close: () => undefined,
    });
  },
};

export default iovaAllocator;
