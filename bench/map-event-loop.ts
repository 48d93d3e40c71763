import { p99While } from './event-loop.js';
import type { BenchCase } from './case.js';
import { openMapDevice, type MapBackend } from './map.js';

const GIB = 1 << 30;
/** Long enough for a p99 of samples that are a millisecond apart. */
const LOOK_MS = 2000;

/** The event loop's delay while the engine maps and unmaps 1 GiB, again and again, against that of an idle process. */
export function mapEventLoopCase(backend: MapBackend): BenchCase {
  return {
    name: `map-event-loop-${backend}`,
    title: `the event loop's delay at p99 while 1 GiB is mapped and unmapped by ${backend}`,
    comparison: 'a process that maps 1 GiB with an idle one',
    unit: 'ms',
    barAbove: 2,
    async prepare() {
      const device = await openMapDevice(backend, GIB);
      return {
        subject: () =>
          device.withSpace((space) =>
            p99While(LOOK_MS, async (end) => {
              while (Date.now() < end) await (await space.map(device.memory.buffer)).unmap();
            }),
          ),
        baseline: () => p99While(LOOK_MS),
        close: () => device.close(),
      };
    },
  };
}
