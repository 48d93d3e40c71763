import { channel } from 'node:diagnostics_channel';

import type { VfioError } from './errors.js';

/** What `vfio-engine:attach` and `vfio-engine:detach` publish. */
export interface AttachMessage {
  readonly phase: 'start' | 'end' | 'error';
  readonly device: string;
  readonly backend: string;
  readonly error?: unknown;
}

/** What `vfio-engine:warning` publishes: something failed that did not stop the work. */
export interface WarningMessage {
  readonly device?: string | undefined;
  readonly message: string;
  readonly error: VfioError | Error;
}

/** What `vfio-engine:request` publishes: the kernel asked for a device back. */
export interface RequestMessage {
  readonly device: string;
}

const attachChannel = channel('vfio-engine:attach');
const detachChannel = channel('vfio-engine:detach');
const warningChannel = channel('vfio-engine:warning');
const requestChannel = channel('vfio-engine:request');

/** Runs an attach or a detach and announces its start and how it ended. */
export async function announced<T>(
  verb: 'attach' | 'detach',
  facts: { readonly device: string; readonly backend: string },
  work: () => Promise<T>,
): Promise<T> {
  const topic = verb === 'attach' ? attachChannel : detachChannel;
  const publish = (message: AttachMessage): void => {
    if (topic.hasSubscribers) topic.publish(message);
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

/** Tells whoever listens of a failure that did not stop the work. */
export function warn(message: string, error: unknown, device?: string): void {
  if (!warningChannel.hasSubscribers) return;
  const thrown = error instanceof Error ? error : new Error(String(error));
  warningChannel.publish({ device, message, error: thrown } satisfies WarningMessage);
}

/** Tells whoever listens that the kernel wants a device back. */
export function announceRequest(device: string): void {
  if (requestChannel.hasSubscribers) requestChannel.publish({ device } satisfies RequestMessage);
}
