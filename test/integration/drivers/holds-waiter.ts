import type { DriverContext } from '../../../lib/index.js';
import { type IrqDescriptor, IrqWaiter } from '../../../lib/irq/waiter.js';

interface Args {
  readonly descriptor: IrqDescriptor;
  readonly flag: Int32Array<SharedArrayBuffer>;
  /** Whether the event loop waits, or the thread itself. */
  readonly watch: boolean;
}

/** Waits for an interrupt that never comes, until its thread is terminated. */
export default async function holdsWaiter({ args }: DriverContext): Promise<void> {
  const { descriptor, flag, watch } = args as Args;
  const waiter = new IrqWaiter(descriptor);
  Atomics.store(flag, 0, 1);
  if (watch) await waiter.next();
  else waiter.wait({ timeoutMs: 1_000_000 });
}
