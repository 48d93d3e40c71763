/** Attaches a device of the real kernel while descriptors run out. `process.argv` has its bdf and the backend. */
import type { BackendName } from '../../../lib/backends/backend.js';
import { Engine } from '../../../lib/engine/engine.js';
import { linuxKernel } from '../../../lib/kernel/linux/linux.js';
import { WorkerPool } from '../../../lib/pool/pool.js';
import { sweep } from '../../support/exhaustion.js';

const [, , name = '', backend = ''] = process.argv;
const pool = await WorkerPool.start({ workers: 1 });
await sweep(() => {
  const engine = new Engine({ kernels: [linuxKernel()], pool, backend: backend as BackendName });
  return {
    bringUp: async () => {
      const device = await engine.attach(name);
      try {
        await device.dma.allocate(4096);
        await device.irq('msi').enable({ handler: () => undefined });
      } finally {
        await device.detach();
        await engine.dma.unmapAll();
      }
    },
    close: () => engine.close(),
  };
}, 'descriptors');
await pool.close();
