/**
 * A device model: a module of this kind is a virtual PCI device. The module's default export is a `PciModel`.
 *
 * The host runs the model in a thread or a process of its own and serves it in the vfio-user protocol, to the software
 * core and to foreign clients such as QEMU. The host owns config space, the decoding of BARs, the MSI and MSI-X
 * capabilities, interrupt masking and resets. The model owns its registers.
 */
export interface PciModel<Options = unknown> {
  /** The short name of the device, for messages. */
  readonly name: string;
  /** The ids in config space. */
  readonly identity: PciIdentity;
  /** The BARs, at most six registers in all. */
  readonly bars: readonly BarLayout[];
  /** The image behind the ROM region. Absent: the device has no ROM. */
  readonly rom?: Uint8Array;
  /** The INTx pin, 1 (INTA) to 4 (INTD). Absent: the device has no INTx. */
  readonly interruptPin?: 1 | 2 | 3 | 4;
  /** MSI with this number of vectors, a power of two from 1 to 32. Absent: no MSI. */
  readonly msi?: { readonly vectors: number };
  /** MSI-X with 1 to 2048 vectors, and the places of its table and pending bits, 8-byte aligned. Absent: no MSI-X. */
  readonly msix?: { readonly vectors: number; readonly table: BarOffset; readonly pba: BarOffset };
  /** Whether DEVICE_RESET works. */
  readonly resettable: boolean;
  /**
   * Whether the device has a PCI Express capability with function-level reset, and 4096 bytes of config space. Otherwise
   * it has 256 bytes.
   */
  readonly express?: boolean;
  /**
   * Starts the device.
   * @param host the services that the device uses, valid until the device's thread ends
   * @param options a structured clone of `ModelSpec.options`
   * @returns the running device
   * Thread: the model's own.
   */
  create(host: ModelHost, options: Options | undefined): ModelInstance;
}

/** The ids that identify a device in config space. */
export interface PciIdentity {
  /** 16 bits. */
  readonly vendorId: number;
  /** 16 bits. */
  readonly deviceId: number;
  /** 24 bits: class, subclass, programming interface. */
  readonly classCode: number;
  /** 8 bits. */
  readonly revisionId: number;
  /** 16 bits. Default 0x1af4, as QEMU's devices have. */
  readonly subsystemVendorId?: number;
  /** 16 bits. Default 0x1100, as QEMU's devices have. */
  readonly subsystemId?: number;
}

/** A place in a BAR. */
export interface BarOffset {
  /** The BAR's index, 0 to 5. */
  readonly bar: number;
  /** Bytes from the start of the BAR. */
  readonly offset: number;
}

/** One BAR. */
export interface BarLayout {
  /** 0 to 5. A `memory64` BAR occupies the next index as well. */
  readonly index: number;
  /** Bytes, a power of two: 16 to 2^31 for `memory32`, 16 to 2^40 for `memory64`, 4 to 256 for `io`. */
  readonly size: number;
  /** Memory with an address of 32 or 64 bits, or I/O ports. */
  readonly kind: 'memory32' | 'memory64' | 'io';
  /** Whether a memory BAR is prefetchable. Default false. */
  readonly prefetchable?: boolean;
  /**
   * Plain memory that the client may map: the whole BAR, or areas of it in ascending order whose offsets
   * and sizes are multiples of 4096. The model
   * neither sees nor answers accesses to it; it reaches the same bytes by `ModelHost.barMemory`.
   */
  readonly mapped?: true | readonly { readonly offset: number; readonly size: number }[];
}

/**
 * The services of the host for a running device. Thread: the model's own.
 *
 * DMA blocks until the client answers, at most 5 s a message. The host serves the client's other accesses meanwhile, so
 * it can call `read`, `write` and `reset` of a model inside the model's own `dmaRead` or `dmaWrite`. The host answers a
 * `write` before the DMA that the write starts, as for a posted write on a bus. It cannot answer a `read` before. A model
 * must not do DMA in a `read`: some clients (QEMU) serve DMA only while none of their accesses waits.
 */
export interface ModelHost {
  /**
   * Reads guest memory by DMA, through the client's IOMMU. Works only while bus mastering is on.
   * @param iova the address on the bus
   * @param target the bytes to fill
   * @returns false if the access was refused or faulted; `target` is then unchanged
   */
  dmaRead(iova: bigint, target: Uint8Array): boolean;
  /** Writes guest memory by DMA, as `dmaRead` reads it. @returns false if the access was refused or faulted */
  dmaWrite(iova: bigint, source: Uint8Array): boolean;
  /** Sends message `vector` by MSI-X or MSI, whichever the client enabled. If it enabled neither, the message is lost. */
  raiseMessage(vector: number): void;
  /** Whether MSI or MSI-X is enabled. A model with INTx as well chooses by it. */
  readonly messagesEnabled: boolean;
  /** Sets the level of INTx. The host handles the status bit, the disable bit and masking. */
  setInterruptLine(asserted: boolean): void;
  /**
   * Calls `callback` once, between two requests of the client.
   * @param milliseconds how long to wait at least
   * @returns a function that cancels the call
   */
  schedule(milliseconds: number, callback: () => void): () => void;
  /**
   * Returns the memory behind a BAR's mapped areas, which the client sees too.
   * @returns as many bytes as the BAR has; only those of mapped areas are shared with the client
   * @throws RangeError if the BAR has no mapped areas
   */
  barMemory(index: number): Uint8Array;
}

/**
 * A running device. Each access has a width of 1, 2, 4 or 8 bytes and is naturally aligned; the host splits accesses that
 * are not. Values are unsigned. What a method throws is reported as a warning, and the client gets EIO.
 * Thread: the model's own.
 */
export interface ModelInstance {
  /** Reads a register outside of the mapped areas. @returns a number, or for width 8 a number or a bigint */
  read(bar: number, offset: number, width: number): number | bigint;
  /** Writes a register outside of the mapped areas. @param value a number, or for width 8 a bigint */
  write(bar: number, offset: number, width: number, value: number | bigint): void;
  /** Resets the device to its state after power-on. The host resets config space and interrupts. */
  reset(): void;
}
