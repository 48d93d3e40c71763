import type { ConnectionHandle, Fd } from '../kernel/kernel.js';

/** A software IOMMU's domain in the addon's table (native/vfio_user/domain.h). */
export type DomainHandle = number;

/** A DMA access of a device that no mapping allowed. */
export interface DmaFault {
  readonly iova: bigint;
  readonly size: bigint;
  readonly write: boolean;
}

/** The reply to a vfio-user command. The receiver closes the descriptors. */
export interface ConnectionReply {
  readonly payload: Uint8Array;
  readonly fds: Fd[];
}

/** The transport of the vfio-user protocol, both ends, and the IOMMU domain of a client. Source: native/vfio_user. */
export interface VfioUserAddon {
  /** socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC) */
  socketPair(): [Fd, Fd];
  /** Binds and listens. @throws EADDRINUSE, ENAMETOOLONG */
  unixListen(path: string, backlog: number): Fd;
  /** accept4(2). Blocks: for a server's thread. @returns the socket; -1 after `timeoutMs` */
  unixAccept(listener: Fd, timeoutMs: number): Fd;
  /** connect(2) on the thread pool. @throws ENOENT, ECONNREFUSED */
  unixConnect(path: string): Promise<Fd>;

  /**
   * Starts a client on a connected socket, which it owns from now on, and a thread that receives for it.
   * @param timeoutMs above 0: after it a request fails with ETIMEDOUT. The connection lives on, a late reply is dropped
   */
  connectionOpen(socket: Fd, timeoutMs: number): ConnectionHandle;
  /**
   * Sends a command and waits for its reply off the event loop. The descriptors stay the caller's and may be closed at
   * once. @throws the server's errno, ETIMEDOUT, ENODEV when the peer is gone or cannot be understood any more
   */
  connectionRequest(
    connection: ConnectionHandle,
    command: number,
    payload: Uint8Array,
    fds: readonly Fd[],
  ): Promise<ConnectionReply>;
  /** REGION_READ on this thread. @returns the count of bytes read, or a negative errno */
  connectionRegionRead(connection: ConnectionHandle, regionIndex: number, offset: bigint, target: Uint8Array): number;
  /** REGION_WRITE on this thread. @returns the count of bytes written, or a negative errno */
  connectionRegionWrite(connection: ConnectionHandle, regionIndex: number, offset: bigint, source: Uint8Array): number;
  /** Puts the device behind an IOMMU domain, or (0) behind none: all of its DMA then faults. */
  connectionSetDomain(connection: ConnectionHandle, domain: DomainHandle): void;
  /** Cuts region transfers into messages of at most so many bytes, the server's max_data_xfer_size. */
  connectionSetMaxTransfer(connection: ConnectionHandle, bytes: number): void;
  /** Tells whether the peer is still there; false for a closed handle. */
  connectionAlive(connection: ConnectionHandle): boolean;
  /** An eventfd (the connection's own, not to be closed) that counts when the peer is gone. */
  connectionHangupEvent(connection: ConnectionHandle): Fd;
  /** Ends the client: closes the socket, fails what waits with ENODEV, joins its thread. */
  connectionClose(connection: ConnectionHandle): Promise<void>;

  /** Makes an empty domain: device reads and writes fault until something is mapped. */
  domainCreate(): DomainHandle;
  /** Lets devices reach memory of this process. The caller has checked overlap and keeps the memory alive. */
  domainMap(domain: DomainHandle, iova: bigint, vaddr: bigint, size: bigint, access: number): void;
  /** Takes the range away, mappings cut where they cross its ends; returns when no device touches it any more. */
  domainUnmap(domain: DomainHandle, iova: bigint, size: bigint): Promise<void>;
  /** Starts or stops the record of pages that devices write. */
  domainSetDirtyTracking(domain: DomainHandle, pageSize: bigint): void;
  /** Takes the record of a range: a bit a page; what was taken is clean again when `clear`. */
  domainTakeDirty(domain: DomainHandle, iova: bigint, size: bigint, pageSize: bigint, clear: boolean): Uint8Array;
  /** Counts faults since the domain was made and gives the newest that were not yet taken (at most 64). */
  domainTakeFaults(domain: DomainHandle): { count: number; recent: DmaFault[] };
  /** An eventfd (the domain's own) that counts faults. */
  domainFaultEvent(domain: DomainHandle): Fd;
  /** Drops the handle; connections still behind the domain keep it. */
  domainClose(domain: DomainHandle): void;

  /**
   * Receives one whole message (header and payload) with its descriptors. Blocks: for a server's thread.
   * @param buffer at least as large as the largest message allowed; a larger message is EMSGSIZE
   * @param fds element 0 gets the count of descriptors, the elements after it the descriptors, the receiver's to close. One
   *   of them is -1 if the process had no room for some
   * @returns the message's length; 0 when the peer closed; -1 when `timeoutMs` (-1: none) passed
   * @throws EPROTO for a header that cannot be, ECONNRESET
   */
  socketReceive(socket: Fd, buffer: Uint8Array, fds: Int32Array, timeoutMs: number): number;
  /** Sends one message, its descriptors with the first byte. @throws EPIPE, EAGAIN when the peer does not read for 5 s */
  socketSend(socket: Fd, buffer: Uint8Array, length: number, fds: readonly Fd[]): void;
  /** shutdown(2) both ways: a thread that blocks on the socket wakes, both ends see its end; the descriptor stays. */
  socketShutdown(socket: Fd): void;
}
