/** A program that ends without a close; `process.argv[2]` tells how far it goes. It prints `end` when its code has run. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Engine } from '../../lib/engine/engine.js';
import { serveModel } from '../../lib/models/hosting/serve-model.js';
import { WorkerPool } from '../../lib/pool/pool.js';

const engine = new Engine();

const programs: Record<string, () => Promise<unknown>> = {
  pool: () => WorkerPool.start({ workers: 2 }),
  detached: async () => {
    const device = await engine.attach('testdev');
    await device.region(0).write32(0, 1);
    await device.detach();
  },
  failed: () => engine.attach('0000:ff:1f.7').catch(() => undefined),
  failedLate: async () => {
    const device = await engine.attach('edu');
    await engine.attach('edu').catch(() => undefined);
    await device.detach();
  },
  unref: async () => (await engine.attach('edu')).unref(),
  driver: async () => {
    const device = await engine.attach('testdev');
    await device.runDriver(new URL('./drivers/sum.js', import.meta.url), { args: { words: 1 } });
    await device.detach();
  },
  attached: () => engine.attach('edu'),
  ref: async () => (await engine.attach('edu')).unref().ref(),
  next: async () => {
    const device = (await engine.attach('edu')).unref();
    await device.irq('msi').enable();
    void device.irq('msi').next();
  },
  handler: async () => {
    const device = (await engine.attach('edu')).unref();
    await device.irq('msi').enable({ handler: () => undefined });
  },
  serve: () => serveModel({ model: 'edu' }, { path: join(tmpdir(), `vfio-exit-${process.pid}.sock`) }),
};

await programs[process.argv[2] ?? '']?.();
console.log('end');
