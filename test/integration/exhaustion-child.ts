/**
 * Brings something up while something runs out. `process.argv` names what runs out, and the subject: the pool, or a device
 * whose model runs in a thread or process. Prints the lines of `sweep`.
 */
import { Engine } from '../../lib/engine/engine.js';
import { WorkerPool } from '../../lib/pool/pool.js';
import { SoftwareMachine } from '../../lib/software/machine/software-machine.js';
import { type Subject, sweep } from '../support/exhaustion.js';

const NAME = 'f000:00:05.0';
const [, , what = '', subject = ''] = process.argv;

const startPool: Subject = () => ({
  bringUp: async () => (await WorkerPool.start({ workers: 1 })).close(),
  close: () => Promise.resolve(),
});

/** A device of a new machine: its model, its group and container, memory for DMA, interrupts. The pool is there. */
function attachDevice(pool: WorkerPool, placement: 'thread' | 'process'): Subject {
  return () => {
    const machine = new SoftwareMachine();
    const engine = new Engine({ machine, pool });
    const added = machine.addDevice({ name: NAME, model: 'testdev', placement });
    return {
      bringUp: async () => {
        await added;
        await useDevice(engine);
      },
      close: async () => {
        await engine.close();
        await machine.close();
      },
    };
  };
}

async function useDevice(engine: Engine): Promise<void> {
  const device = await engine.attach(NAME);
  try {
    await device.dma.allocate(4096);
    await device.irq('msix').enable({ vectors: 2, handler: () => undefined });
  } finally {
    await device.detach();
    await engine.dma.unmapAll();
  }
}

if (subject === 'pool') {
  await sweep(startPool, what);
} else {
  const pool = await WorkerPool.start({ workers: 1 });
  await sweep(attachDevice(pool, subject as 'thread' | 'process'), what);
  await pool.close();
}
