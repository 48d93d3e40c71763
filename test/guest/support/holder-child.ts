// Attaches a device, says `attached`, and holds it until it is killed: `holder-child.js BACKEND BDF`.
import type { BackendName } from '../../../lib/backends/backend.js';
import { Engine } from '../../../lib/engine.js';
import { linuxKernel } from '../../../lib/kernel/linux.js';

const [backend = 'container', bdf = ''] = process.argv.slice(2);
const engine = new Engine({ kernels: [linuxKernel()], backend: backend as BackendName });
await engine.attach(bdf);
console.log('attached');
// Whoever started it ends it; it ends by itself should that one be gone.
setTimeout(() => process.exit(1), 60_000);
