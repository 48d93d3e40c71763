// Maps 16 KiB, then a mebibyte, by one way of attaching after the other, and prints how that was refused:
// `memlock-child.js BDF BACKEND...`. One process for all: Node.js takes seconds to start here.
import type { BackendName } from '../../../lib/backends/backend.js';
import { Engine } from '../../../lib/engine/engine.js';
import { VfioError } from '../../../lib/base/errors.js';
import { linuxKernel } from '../../../lib/kernel/linux/linux.js';

const [bdf = '', ...backends] = process.argv.slice(2);

async function mapTooMuch(backend: BackendName): Promise<{ code: string; message: string }> {
  const engine = new Engine({ kernels: [linuxKernel()], backend });
  try {
    const device = await engine.attach(bdf);
    await device.dma.allocate(16384);
    await device.dma.allocate(1 << 20);
    return { code: 'none', message: 'it was mapped' };
  } catch (error) {
    if (!(error instanceof VfioError)) throw error;
    return { code: error.code, message: error.message };
  } finally {
    await engine.close();
  }
}

const refusals: Record<string, { code: string; message: string }> = {};
for (const backend of backends) refusals[backend] = await mapTooMuch(backend as BackendName);
console.log(JSON.stringify(refusals));
