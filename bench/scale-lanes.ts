import type { BenchCase } from './case.js';
import { first, openLaneBench, produce, produceRound } from './lane-bench.js';

const OPERATIONS = 200_000;

/** What an operation costs when a worker serves many lanes, each with 64 operations under way, over what it costs with one. */
export function scaleLanes(name: string, lanes: number): BenchCase {
  return {
    name,
    title: `an operation, 64 under way in each of ${lanes} lanes of a worker`,
    unit: 'ns',
    bar: 1.2,
    comparison: `${lanes} lanes with one`,
    async prepare() {
      const many = await openLaneBench({ lanes, inMemory: true });
      const one = await openLaneBench({ inMemory: true });
      return {
        subject: () => [produceRound(many.lanes, first(many.regions), OPERATIONS)],
        baseline: () => [produceRound(one.lanes, first(one.regions), OPERATIONS)],
        close: async () => {
          await many.close();
          await one.close();
        },
      };
    },
  };
}

/** What an operation costs beside idle lanes, over what it costs alone. */
export function besideIdleLanes(name: string, lanes: number): BenchCase {
  return {
    name,
    title: `an operation, one lane busy and ${lanes - 1} idle`,
    unit: 'ns',
    bar: 1.2,
    comparison: `${lanes} lanes of which one is busy with one lane`,
    async prepare() {
      const many = await openLaneBench({ lanes, inMemory: true });
      const one = await openLaneBench({ inMemory: true });
      return {
        subject: () => [produce(first(many.lanes), many.regions, OPERATIONS)],
        baseline: () => [produce(first(one.lanes), one.regions, OPERATIONS)],
        close: async () => {
          await many.close();
          await one.close();
        },
      };
    },
  };
}
