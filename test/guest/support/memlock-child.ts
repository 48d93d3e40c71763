// Maps 16 KiB, then a mebibyte, and prints how that was refused: `memlock-child.js BACKEND BDF`.
import type { BackendName } from '../../../lib/backends/backend.js';
import { Engine } from '../../../lib/engine.js';
import { VfioError } from '../../../lib/errors.js';
import { linuxKernel } from '../../../lib/kernel/linux.js';

const [backend = 'container', bdf = ''] = process.argv.slice(2);
const engine = new Engine({ kernels: [linuxKernel()], backend: backend as BackendName });
try {
  const device = await engine.attach(bdf);
  await device.dma.allocate(16384);
  await device.dma.allocate(1 << 20);
  console.log(JSON.stringify({ code: 'none', message: 'it was mapped' }));
} catch (error) {
  if (!(error instanceof VfioError)) throw error;
  console.log(JSON.stringify({ code: error.code, message: error.message }));
} finally {
  await engine.close();
}
