import { Engine, type EngineOptions } from '../../../lib/engine/engine.js';
import { linuxKernel } from '../../../lib/kernel/linux/linux.js';
import { WorkerPool } from '../../../lib/pool/pool.js';

const pool = await WorkerPool.start();
after(() => pool.close());

/** Makes an engine for the real kernel. All of a run share their worker threads: to start some takes half a second here. */
export function linuxEngine(options: EngineOptions = {}): Engine {
  return new Engine({ kernels: [linuxKernel()], pool, ...options });
}
