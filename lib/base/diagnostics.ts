/**
 * The channels of `node:diagnostics_channel` on which every part of the engine publishes. The other channels are defined where
 * they are used; lib/README.md lists them all.
 */
import { channel } from 'node:diagnostics_channel';

import type { VfioError } from './errors.js';

/** The message of `vfio-engine:attach` and `vfio-engine:detach`. */
export interface AttachMessage {
  /** `start`, then `end` or `error`. */
  readonly phase: 'start' | 'end' | 'error';
  /** The bdf, UUID or name of the device. */
  readonly device: string;
  /** The backend that was asked for (attach) or that attached the device (detach). */
  readonly backend: string;
  /** The number of the device's IOMMU group; undefined if it has none. */
  readonly group: string | undefined;
  /** What the attach or detach failed with; only in phase `error`. */
  readonly error?: unknown;
}

/** The message of `vfio-engine:warning`: a failure that did not stop the work. */
export interface WarningMessage {
  /** The name of the device, if the failure concerns one. */
  readonly device?: string | undefined;
  /** What failed. */
  readonly message: string;
  /** Why it failed. */
  readonly error: VfioError | Error;
}

/** The message of `vfio-engine:request`: the kernel asks for a device back, because its driver is being unbound. */
export interface RequestMessage {
  /** The name of the device. */
  readonly device: string;
}

/** The message of `vfio-engine:revoked` and `vfio-engine:restored`: the mapping of a region was revoked, or mapped again. */
export interface RevocationMessage {
  readonly device: string;
  readonly regionIndex: number;
  /** Where an access met a device that did not answer: bytes into the region. */
  readonly offset: number;
}

/** The message of `vfio-engine:removed`: a device is gone for good. */
export interface RemovalMessage {
  /** The name of the device. */
  readonly device: string;
  /** Why it is gone: ENODEV, whose cause tells how a model ended. */
  readonly error: VfioError;
}

const removalChannel = channel('vfio-engine:removed');
const revocationChannels = { revoked: channel('vfio-engine:revoked'), restored: channel('vfio-engine:restored') };
const channels = { attach: channel('vfio-engine:attach'), detach: channel('vfio-engine:detach') };
const warningChannel = channel('vfio-engine:warning');
const requestChannel = channel('vfio-engine:request');

/** Tells whether the channel of attaches, or of detaches, has subscribers. */
export function isObserved(verb: 'attach' | 'detach'): boolean {
  return channels[verb].hasSubscribers;
}

/** Runs an attach or a detach. Publishes its start, and then its end or its error. */
export async function announced<T>(
  verb: 'attach' | 'detach',
  facts: Pick<AttachMessage, 'device' | 'backend' | 'group'>,
  work: () => Promise<T>,
): Promise<T> {
  const publish = (message: AttachMessage): void => {
    if (channels[verb].hasSubscribers) channels[verb].publish(message);
  };
  publish({ ...facts, phase: 'start' });
  try {
    const result = await work();
    publish({ ...facts, phase: 'end' });
    return result;
  } catch (error) {
    publish({ ...facts, phase: 'error', error });
    throw error;
  }
}

/** Publishes a failure that did not stop the work. */
export function warn(message: string, error: unknown, device?: string): void {
  if (!warningChannel.hasSubscribers) return;
  const thrown = error instanceof Error ? error : new Error(String(error));
  warningChannel.publish({ device, message, error: thrown } satisfies WarningMessage);
}

/** Publishes that the kernel asks for a device back. */
export function announceRequest(device: string): void {
  if (requestChannel.hasSubscribers) requestChannel.publish({ device } satisfies RequestMessage);
}

/** Publishes that the mapping of a region was revoked or restored. */
export function announceRevocation(change: 'revoked' | 'restored', message: RevocationMessage): void {
  if (revocationChannels[change].hasSubscribers) revocationChannels[change].publish(message);
}

/** Publishes that a device is gone for good. */
export function announceRemoval(message: RemovalMessage): void {
  if (removalChannel.hasSubscribers) removalChannel.publish(message);
}
