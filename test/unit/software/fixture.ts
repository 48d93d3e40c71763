import { systemError, VfioError } from '../../../lib/base/errors.js';
import type {} from '../../../lib/kernel/kernel.js';
import type { DmaSource, IommuDomain } from '../../../lib/software/iommu/domain.js';
import type { DeviceRegion, OpenFunction, RunningDevice } from '../../../lib/software/pci/running-device.js';
import { ErrnoFailure } from '../../../lib/software/base/errno-failure.js';

/** A domain that records its calls. */
export class RecordingDomain implements IommuDomain {
  readonly mapped = new Map<bigint, { vaddr: bigint; size: bigint; access: number }>();
  readonly attached = new Set<DmaSource>();
  closed = false;
  dirtyPageSize = 0n;
  /** Runs before a mapping is recorded. May throw. */
  onMap: (iova: bigint) => void = () => undefined;
  /** Runs while a device is attached. */
  onAttach: () => Promise<void> = () => Promise.resolve();

  map(iova: bigint, vaddr: bigint, size: bigint, access: number): void {
    this.onMap(iova);
    this.mapped.set(iova, { vaddr, size, access });
  }

  unmap(iova: bigint, size: bigint): Promise<void> {
    for (const start of [...this.mapped.keys()]) if (start >= iova && start < iova + size) this.mapped.delete(start);
    return Promise.resolve();
  }

  async attach(device: DmaSource): Promise<void> {
    await this.onAttach();
    this.attached.add(device);
  }

  detach(device: DmaSource): void {
    this.attached.delete(device);
  }

  setDirtyTracking(pageSize: bigint): void {
    this.dirtyPageSize = pageSize;
  }

  takeDirty(_iova: bigint, size: bigint, pageSize: bigint): Uint8Array {
    return new Uint8Array(Number((size / pageSize + 7n) / 8n)).fill(0xff);
  }

  close(): void {
    this.closed = true;
  }
}

/** A device without a thread. Its config space is plain memory. It has a BAR of 4 KiB and one MSI. */
export class PlainHost implements RunningDevice {
  readonly alive = true;
  readonly info = { flags: 2, numRegions: 9, numIrqs: 5 };
  readonly config = new Uint8Array(256);
  closed = false;
  readonly irqs = [0, 1, 0, 0].map((count, index) => ({ index, flags: 9, count }));
  readonly regions: DeviceRegion[] = Array.from({ length: 9 }, (_, index) => ({
    info: { index, flags: SIZES[index] === 0n ? 0 : 3, size: SIZES[index] ?? 0n, offset: 0n, capabilities: {} },
  }));

  setDomain(): void {}

  readRegion(regionIndex: number, regionOffset: bigint, length: number): Promise<Uint8Array> {
    if (regionIndex !== 7) return Promise.resolve(new Uint8Array(length));
    return Promise.resolve(this.config.slice(Number(regionOffset), Number(regionOffset) + length));
  }

  writeRegion(regionIndex: number, regionOffset: bigint, data: Uint8Array): Promise<number> {
    if (regionIndex === 7) this.config.set(data, Number(regionOffset));
    return Promise.resolve(data.length);
  }

  openFunction(): Promise<OpenFunction> {
    return Promise.resolve({
      connection: 0,
      tableRegion: undefined,
      read: (index, offset, length) => this.readRegion(index, offset, length),
      write: (index, offset, data) => this.writeRegion(index, offset, data),
      track: () => undefined,
      setIrqs: () => Promise.resolve(),
      request: () => undefined,
      close: () => Promise.resolve(),
    });
  }

  reset(): Promise<void> {
    return Promise.reject(systemError('EINVAL', 'reset'));
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}

const SIZES = [4096n, 0n, 0n, 0n, 0n, 0n, 0n, 256n, 0n];

/** Returns the outcome of a call as the tables write it: `-1 EBUSY`, or the result as `show` formats it. */
export async function outcome<T>(call: () => T | Promise<T>, show: (value: T) => string = () => '0'): Promise<string> {
  try {
    return show(await call());
  } catch (error) {
    if (error instanceof ErrnoFailure || (error instanceof VfioError && error.errno !== undefined))
      return `-1 ${error.code}`;
    throw error;
  }
}
