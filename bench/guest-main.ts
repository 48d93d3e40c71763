// Runs the benchmark inside the guest, with the arguments of main.ts, on a region of the real kernel's.
import { bindDriver, restoreDriver } from '../lib/sysfs/binding.js';
import { DEVICE_VARIABLE } from './fixtures/backing.js';

/** ivshmem-plain, whose BAR 2 is memory: edu's registers do not keep what is written. */
const IVSHMEM = '0000:00:0c.0';

process.env[DEVICE_VARIABLE] = IVSHMEM;
await bindDriver(IVSHMEM);
try {
  await import('./main.js');
} finally {
  await restoreDriver(IVSHMEM);
}
