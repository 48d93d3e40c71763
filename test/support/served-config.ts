/** A device that has config space alone, opened as vfio-pci shows it. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

import type { ConnectionHandle } from '../../lib/kernel/kernel.js';
import { addon } from '../../lib/native/addon.js';
import { VFIO_PCI_CONFIG_REGION_INDEX } from '../../lib/uapi/vfio.js';
import { VfioUserClient } from '../../lib/vfio-user/client/vfio-user-client.js';
import type { ServedBytes } from './config-thread.js';

const THREAD = new URL('./config-thread.js', import.meta.url);

export class ServedConfig {
  private constructor(
    private readonly ended: Promise<unknown>,
    private readonly client: VfioUserClient,
    private readonly handle: ConnectionHandle,
    /** Config space as the device has it. */
    readonly bytes: Uint8Array,
    private readonly resets: Int32Array,
  ) {}

  /** @param sizes those of the six BARs and of the ROM, bytes */
  static async open(config: Uint8Array, sizes: readonly number[]): Promise<ServedConfig> {
    const [mine, theirs] = addon.socketPair();
    const bytes = new Uint8Array(new SharedArrayBuffer(config.length));
    bytes.set(config);
    const resets = new Int32Array(new SharedArrayBuffer(4));
    const served: ServedBytes = { socket: theirs, bytes, resets };
    const worker = new Worker(THREAD, { workerData: served });
    const ended = once(worker, 'exit').then(() => addon.closeFdSync(theirs));
    const client = await VfioUserClient.connect(mine);
    const bars = BigUint64Array.from(sizes, BigInt);
    const handle = await addon.vfioPciOpen(client.connection, bytes.length, bars, new Int32Array(5), false);
    return new ServedConfig(ended, client, handle, bytes, resets);
  }

  /** How often the device was reset. */
  get resetCount(): number {
    return Atomics.load(this.resets, 0);
  }

  read(at: number, length: number): Uint8Array {
    const target = new Uint8Array(length);
    const moved = addon.connectionRegionRead(this.handle, VFIO_PCI_CONFIG_REGION_INDEX, BigInt(at), target);
    if (moved !== length) throw new Error(`read ${moved} of ${length} bytes at ${at}`);
    return target;
  }

  write(at: number, ...bytes: number[]): void {
    const source = Uint8Array.from(bytes);
    const moved = addon.connectionRegionWrite(this.handle, VFIO_PCI_CONFIG_REGION_INDEX, BigInt(at), source);
    if (moved !== bytes.length) throw new Error(`wrote ${moved} of ${bytes.length} bytes at ${at}`);
  }

  async close(): Promise<void> {
    await addon.vfioPciClose(this.handle);
    await this.client.close();
    await this.ended;
  }
}
