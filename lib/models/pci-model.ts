/**
 * The interface of a device model: what one writes to make a virtual PCI device. A model is a module whose default
 * export is a `PciModel`; the server of `lib/vfio-user/` hosts it in a thread or a process of its own and speaks the
 * vfio-user protocol for it, to the software core and to QEMU alike. The host owns config space, BAR decoding, MSI and
 * MSI-X capabilities, interrupt masking and resets; the model owns its registers.
 */
export interface PciModel<Options = unknown> {
  /** The short name that `Engine.attach` and the command take. */
  readonly name: string;
  readonly identity: PciIdentity;
  readonly bars: readonly BarLayout[];
  /** The image behind the ROM region, if there is one. */
  readonly rom?: Uint8Array;
  /** INTx: pin 1 (INTA) to 4, absent for none. */
  readonly interruptPin?: 1 | 2 | 3 | 4;
  /** MSI: the count of vectors, 1 to 32, a power of two. */
  readonly msi?: { readonly vectors: number };
  /** MSI-X: the count of vectors, and where its table and pending bits lie. */
  readonly msix?: { readonly vectors: number; readonly table: BarOffset; readonly pba: BarOffset };
  /** Whether DEVICE_RESET works. */
  readonly resettable: boolean;
  /** Whether the device has a PCI Express capability and so 4096 bytes of config space; otherwise 256. */
  readonly express?: boolean;
  /** Starts the device. `options` is what `addDevice` was given, structured-cloned. Thread: the model's own. */
  create(host: ModelHost, options: Options | undefined): ModelInstance;
}

export interface PciIdentity {
  readonly vendorId: number;
  readonly deviceId: number;
  /** 24 bits: class, subclass, programming interface. */
  readonly classCode: number;
  readonly revisionId: number;
  readonly subsystemVendorId?: number;
  readonly subsystemId?: number;
}

export interface BarOffset {
  readonly bar: number;
  readonly offset: number;
}

export interface BarLayout {
  /** 0 to 5; a 64-bit BAR takes the next one as well. */
  readonly index: number;
  /** Bytes, a power of two; at least 4096 for a mapped memory BAR, at most 256 for I/O ports. */
  readonly size: number;
  readonly kind: 'memory32' | 'memory64' | 'io';
  readonly prefetchable?: boolean;
  /** Plain memory that the client may map: the whole BAR, or these page-aligned areas of it. */
  readonly mapped?: true | readonly { readonly offset: number; readonly size: number }[];
}

/**
 * What the host does for a model. Thread: the model's own.
 *
 * DMA blocks until the client answered (at most 5 s a message), and the host serves the client's other accesses
 * meanwhile: a model's `read`, `write` and `reset` can be called inside of its own `dmaRead` or `dmaWrite`. A `write` that
 * does DMA is answered before, as a posted write on a bus is; a `read` cannot be, so a model does no DMA in a `read`: some
 * clients (QEMU) serve DMA only when none of their accesses waits. Timers run between requests alone.
 */
export interface ModelHost {
  /**
   * Reads guest memory by DMA: through the client's IOMMU, and only while bus mastering is on.
   * @returns false when the access was refused or faulted; `target` is then unchanged
   */
  dmaRead(iova: bigint, target: Uint8Array): boolean;
  /** Writes guest memory by DMA. @returns false when the access was refused or faulted */
  dmaWrite(iova: bigint, source: Uint8Array): boolean;
  /** Sends message `vector` by MSI-X or MSI, whichever the client turned on; lost when neither is, as on the bus. */
  raiseMessage(vector: number): void;
  /** Tells whether MSI or MSI-X is on, so that a model chooses between a message and INTx. */
  readonly messagesEnabled: boolean;
  /** Sets the level of INTx; the host applies the status bit, the disable bit and masking. */
  setInterruptLine(asserted: boolean): void;
  /** Calls back once after `milliseconds`, on the model's thread between two requests. @returns what cancels it */
  schedule(milliseconds: number, callback: () => void): () => void;
  /** The bytes behind a BAR's mapped areas, as the client sees them; offsets are the BAR's. */
  barMemory(index: number): Uint8Array;
}

/** One running device. Values are little endian; `width` is 1, 2, 4 or 8 bytes, naturally aligned. */
export interface ModelInstance {
  /** Reads a register outside of the mapped areas. Width 8 may answer a bigint. */
  read(bar: number, offset: number, width: number): number | bigint;
  /** Writes a register outside of the mapped areas. Width 8 gives a bigint, the others a number. */
  write(bar: number, offset: number, width: number, value: number | bigint): void;
  /** Brings the device to its state after power-on. */
  reset(): void;
}
