import type { MessagePort } from 'node:worker_threads';

import type { Fd, IoTarget, MappingHandle } from '../kernel/kernel.js';
import type { FaultSettings } from './fault-chooser.js';
import type { InjectedFault } from './fault.js';

/** What the thread of a plan is started with. */
export interface FaultThreadData {
  readonly settings: FaultSettings;
  /** The thread's end of the channel to the plan. */
  readonly port: MessagePort;
}

/** A device whose accesses or interrupts pass through the thread. */
export interface RelayedDevice {
  /** The number of this opening of the device, within the plan. */
  readonly id: number;
  readonly name: string;
}

/** The accesses of a device: from the region's socket to the device. */
export interface AccessRoute {
  readonly device: RelayedDevice;
  /** The server's end of the socket. The thread closes it. */
  readonly socket: Fd;
  readonly target: IoTarget;
  /** The offset in the device's file of each region, by index; undefined for a connection. */
  readonly fileOffsets: readonly (bigint | undefined)[];
}

/** The interrupts of a vector: from the kernel's eventfd to the user's. The thread closes both descriptors. */
export interface IrqRoute {
  readonly id: number;
  readonly device: RelayedDevice;
  readonly irqIndex: number;
  readonly vector: number;
  readonly source: Fd;
  readonly target: Fd;
}

/** What a plan tells its thread. */
export type ToFaultThread =
  | { readonly kind: 'open-accesses'; readonly route: AccessRoute }
  | { readonly kind: 'mapped'; readonly deviceId: number; readonly mapping: MappingHandle }
  | { readonly kind: 'open-irqs'; readonly routes: readonly IrqRoute[] }
  /** Answered by `done`. */
  | { readonly kind: 'close-accesses'; readonly request: number; readonly deviceId: number }
  /** Answered by `done`, when all interrupts that arrived are delivered. */
  | { readonly kind: 'close-irqs'; readonly request: number; readonly ids: readonly number[] }
  /** The answer to `kill`. */
  | { readonly kind: 'killed'; readonly ticket: number };

/** What the thread tells its plan. */
export type FromFaultThread =
  | { readonly kind: 'injected'; readonly fault: InjectedFault }
  | { readonly kind: 'removed'; readonly deviceId: number }
  /** Asks for the death of the I/O worker of a device, before a transfer is answered. */
  | { readonly kind: 'kill'; readonly fault: InjectedFault; readonly ticket: number }
  | { readonly kind: 'done'; readonly request: number };
