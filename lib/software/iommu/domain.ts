import { addon } from '../../native/addon.js';
import type { WatcherHandle } from '../../native/event.js';
import type { DmaFault, DomainHandle } from '../../native/vfio-user.js';
import { publishDmaFaults } from './dma-faults.js';

/** A device whose DMA an IOMMU can put behind a domain. */
export interface DmaSource {
  /** Puts the device's DMA behind a domain. @param domain 0 for no domain: every access faults */
  setDomain(domain: DomainHandle): void;
}

/** A set of translations that the devices of one or more groups share. Source: struct iommu_domain */
export interface IommuDomain {
  /**
   * Maps memory of this process for the devices. The caller has checked that the range is free.
   * @param size bytes
   * @param access VFIO_DMA_MAP_FLAG_READ, VFIO_DMA_MAP_FLAG_WRITE or both
   */
  map(iova: bigint, vaddr: bigint, size: bigint, access: number): void;
  /** Unmaps a range. After the promise resolves, no device touches its memory. */
  unmap(iova: bigint, size: bigint): Promise<void>;
  /** Puts a device's DMA behind the domain. */
  attach(device: DmaSource): Promise<void>;
  /** Puts a device's DMA behind no domain. */
  detach(device: DmaSource): void;
  /** Starts to record the pages that devices write. @param pageSize bytes; 0n stops the record */
  setDirtyTracking(pageSize: bigint): void;
  /** Reads the record of a range. @param clear whether to clear it; default true @returns one bit for each page of `pageSize` bytes */
  takeDirty(iova: bigint, size: bigint, pageSize: bigint, clear?: boolean): Uint8Array;
  /** Frees the domain. */
  close(): void;
}

/** The addon's domain, which translates the DMA of the models. Thread: the one that made it. */
export class NativeDomain implements IommuDomain {
  readonly #handle = addon.domainCreate();
  readonly #watcher: WatcherHandle;

  constructor(private readonly onFault: (faults: { count: number; recent: DmaFault[] }) => void = publishDmaFaults) {
    try {
      this.#watcher = addon.watcherCreate(addon.domainFaultEvent(this.#handle), () => this.#report());
    } catch (error) {
      addon.domainClose(this.#handle);
      throw error;
    }
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

  takeDirty(iova: bigint, size: bigint, pageSize: bigint, clear = true): Uint8Array {
    return addon.domainTakeDirty(this.#handle, iova, size, pageSize, clear);
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
