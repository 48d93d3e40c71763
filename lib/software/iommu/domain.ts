import { addon } from '../../native/addon.js';
import type { DmaFault, DomainHandle } from '../../native/vfio-user.js';
import { reportFaults } from './faults.js';

/** What an IOMMU can put behind a domain: a device's DMA. */
export interface DmaSource {
  /** Puts the device's DMA behind a domain, or (0) behind none: all of it then faults. */
  setDomain(domain: DomainHandle): void;
}

/** One set of translations, which the devices of one or several groups share. Source: struct iommu_domain */
export interface IommuDomain {
  /** Lets devices reach `size` bytes from `vaddr` on. `access` is VFIO_DMA_MAP_FLAG_READ, _WRITE or both. */
  map(iova: bigint, vaddr: bigint, size: bigint, access: number): void;
  /** Takes a range away; no device touches its memory once the promise is fulfilled. */
  unmap(iova: bigint, size: bigint): Promise<void>;
  attach(device: DmaSource): Promise<void>;
  detach(device: DmaSource): void;
  /** Starts the record of the pages that devices write (0n stops it). `pageSize` in bytes. */
  setDirtyTracking(pageSize: bigint): void;
  /** Takes the record of a range: a bit a page, clean again afterwards. */
  takeDirty(iova: bigint, size: bigint, pageSize: bigint): Uint8Array;
  close(): void;
}

/** The domain in the addon, through which the memory accesses of hosted models go. */
export class NativeDomain implements IommuDomain {
  readonly #handle = addon.domainCreate();
  readonly #watcher = addon.watcherCreate(addon.domainFaultEvent(this.#handle), () => this.#report());

  constructor(private readonly onFault: (faults: { count: number; recent: DmaFault[] }) => void = reportFaults) {
    addon.watcherSetRef(this.#watcher, false);
  }

  map(iova: bigint, vaddr: bigint, size: bigint, access: number): void {
    addon.domainMap(this.#handle, iova, vaddr, size, access);
  }

  unmap(iova: bigint, size: bigint): Promise<void> {
    return addon.domainUnmap(this.#handle, iova, size);
  }

  attach(device: DmaSource): Promise<void> {
    device.setDomain(this.#handle);
    return Promise.resolve();
  }

  detach(device: DmaSource): void {
    device.setDomain(0);
  }

  setDirtyTracking(pageSize: bigint): void {
    addon.domainSetDirtyTracking(this.#handle, pageSize);
  }

  takeDirty(iova: bigint, size: bigint, pageSize: bigint): Uint8Array {
    return addon.domainTakeDirty(this.#handle, iova, size, pageSize, true);
  }

  close(): void {
    addon.watcherClose(this.#watcher);
    this.#report();
    addon.domainClose(this.#handle);
  }

  #report(): void {
    const faults = addon.domainTakeFaults(this.#handle);
    if (faults.recent.length > 0) this.onFault(faults);
  }
}
