import { Socket } from 'node:net';

import { systemError, VfioError } from '../base/errors.js';
import { addon } from '../native/addon.js';
import { errnoNumber } from '../uapi/errno.js';
import { PCI_COMMAND } from '../uapi/pci.js';
import { VFIO_PCI_CONFIG_REGION_INDEX } from '../uapi/vfio.js';
import {
  decodeHeader,
  decodeRegionAccess,
  decodeRegionData,
  encodeMessage,
  encodeRegionAccess,
  HEADER_SIZE,
  type MessageHeader,
  VFIO_USER_REGION_READ,
  VFIO_USER_REGION_WRITE,
  type WireRegionAccess,
} from '../vfio-user/protocol/protocol.js';
import type { MappingHandle } from '../kernel/kernel.js';
import type { FaultChooser } from './fault-chooser.js';
import type { FaultKind, InjectedFault } from './fault.js';
import type { AccessRoute } from './messages.js';
import { transfersOf, type Transfers } from './transfers.js';

/** What the relay needs of its thread. */
export interface AccessRelayHost {
  readonly chooser: FaultChooser;
  report(fault: InjectedFault): void;
  /** Has the I/O worker of the device terminated. Resolves when that has begun, or soon if it cannot be done. */
  kill(fault: InjectedFault): Promise<void>;
  /** Called when the device was removed. */
  removed(deviceId: number): void;
}

const READ_KINDS: readonly FaultKind[] = ['removal', 'worker-killed', 'fail', 'all-ones', 'short-read'];
const WRITE_KINDS: readonly FaultKind[] = ['removal', 'worker-killed', 'fail'];
/** How long the close waits for transfers that a device does not answer. They have entered the kernel by then. */
const DRAIN_MS = 1000;

/**
 * Stands between the trapped regions of a device and the device: a vfio-user server for the region's transfers, which injects
 * faults or passes them on. A transfer that fails or reads all ones does not reach the device.
 */
export class AccessRelay {
  readonly #route: AccessRoute;
  readonly #host: AccessRelayHost;
  readonly #transfers: Transfers;
  readonly #socket: Socket;
  readonly #mappings: MappingHandle[] = [];
  readonly #underWay = new Set<Promise<void>>();
  #received: Buffer = Buffer.alloc(0);
  #removed = false;
  #closing = false;

  /** @param route the relay owns its socket */
  constructor(route: AccessRoute, host: AccessRelayHost) {
    this.#route = route;
    this.#host = host;
    this.#transfers = transfersOf(route);
    this.#socket = new Socket({ fd: route.socket });
    this.#socket.on('data', (bytes) => this.#receive(bytes));
    // The region's end was closed: the device is being closed.
    this.#socket.on('error', () => this.#socket.destroy());
  }

  /** Notes a mapping of the device, which a removal revokes. */
  addMapping(mapping: MappingHandle): void {
    this.#mappings.push(mapping);
  }

  /** Ends the relay: no transfer reaches the device afterwards. */
  async close(): Promise<void> {
    this.#closing = true;
    let timer: NodeJS.Timeout | undefined;
    const expired = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, DRAIN_MS);
    });
    await Promise.race([Promise.all(this.#underWay), expired]);
    clearTimeout(timer);
    if (this.#socket.closed) return;
    await new Promise<void>((resolve) => {
      this.#socket.once('close', () => resolve());
      this.#socket.destroy();
    });
  }

  #receive(bytes: Buffer): void {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    while (this.#received.length >= HEADER_SIZE) {
      const header = decodeHeader(this.#received);
      if (this.#received.length < header.size) return;
      const payload = this.#received.subarray(HEADER_SIZE, header.size);
      this.#received = this.#received.subarray(header.size);
      const answering = this.#answer(header, payload);
      this.#underWay.add(answering);
      void answering.finally(() => this.#underWay.delete(answering));
    }
  }

  async #answer({ id, command }: MessageHeader, payload: Uint8Array): Promise<void> {
    const header = { id, command, type: 'reply' } as const;
    try {
      const reply = await this.#transfer(command, payload);
      this.#socket.write(encodeMessage(header, reply));
    } catch (error) {
      const errno = (error instanceof VfioError ? error.errno : undefined) ?? errnoNumber('EIO');
      this.#socket.write(encodeMessage({ ...header, errno }));
    }
  }

  #transfer(command: number, payload: Uint8Array): Promise<Uint8Array> {
    if (command === VFIO_USER_REGION_READ) return this.#read(decodeRegionAccess(payload));
    if (command === VFIO_USER_REGION_WRITE) return this.#write(decodeRegionData(payload));
    throw new VfioError(`the region sent command ${command}`, { code: 'ERR_PROTOCOL' });
  }

  async #read(access: WireRegionAccess): Promise<Uint8Array> {
    const fault = this.#choose('regionRead', READ_KINDS);
    if (fault?.kind === 'removal') await this.#remove(fault);
    else await this.#inject(fault);
    if (this.#gone || fault?.kind === 'all-ones') {
      return encodeRegionAccess(access, new Uint8Array(access.count).fill(0xff));
    }
    const data = await this.#transfers.read(access);
    const count = fault?.kind === 'short-read' ? Math.floor(data.length / 2) : data.length;
    return encodeRegionAccess({ ...access, count }, data.subarray(0, count));
  }

  async #write({ data, ...access }: WireRegionAccess & { readonly data: Uint8Array }): Promise<Uint8Array> {
    const fault = this.#choose('regionWrite', WRITE_KINDS);
    if (fault?.kind !== 'removal') await this.#inject(fault);
    // A device that is gone takes every write.
    const count = this.#gone ? access.count : await this.#transfers.write(access, data);
    if (fault?.kind === 'removal') await this.#remove(fault);
    return encodeRegionAccess({ ...access, count });
  }

  get #gone(): boolean {
    return this.#removed || this.#closing;
  }

  #choose(call: 'regionRead' | 'regionWrite', kinds: readonly FaultKind[]): InjectedFault | undefined {
    if (this.#gone) return undefined;
    return this.#host.chooser.choose(kinds, { call, device: this.#route.device.name });
  }

  /** Reports a fault, and does what has to be done before the transfer. @throws the error of a failing transfer */
  async #inject(fault: InjectedFault | undefined): Promise<void> {
    if (fault === undefined) return;
    if (fault.kind === 'worker-killed') return this.#host.kill(fault);
    this.#host.report(fault);
    if (fault.kind === 'fail') throw injectedError(fault);
  }

  /** Removes the device: it stops its DMA, its memory reads as all ones, and its driver is asked to let it go. */
  async #remove(fault: InjectedFault): Promise<void> {
    this.#removed = true;
    this.#host.report(fault);
    const command = { regionIndex: VFIO_PCI_CONFIG_REGION_INDEX, regionOffset: PCI_COMMAND, count: 2 };
    // Bus mastering and memory decoding off. If that fails, the device is gone in fact.
    await this.#transfers.write(command, new Uint8Array(2)).catch(() => undefined);
    for (const mapping of this.#mappings) revoke(mapping);
    this.#host.removed(this.#route.device.id);
  }
}

function revoke(mapping: MappingHandle): void {
  try {
    addon.mappingRevoke(mapping);
  } catch (error) {
    // The region was closed meanwhile.
    if (!(error instanceof VfioError)) throw error;
  }
}

function injectedError({ errno, call, device }: InjectedFault): VfioError {
  return systemError(errno ?? 'EIO', call, { ...(device !== undefined && { device }) });
}
