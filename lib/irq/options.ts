import { argumentError, requireFd, requireFunction, requireOneOf, shown } from '../base/arguments.js';
import { invalidArgument } from '../base/errors.js';
import type { Fd } from '../kernel/kernel.js';

/** What is called for interrupts. INTx is unmasked again when it has returned, or what it returned has resolved. */
export type IrqHandler = (vector: number, count: number) => void | Promise<void>;

/** How vectors are to be delivered. */
export interface IrqOptions {
  /** How many, from 0 on, or which ones. Default: 1. */
  readonly vectors?: number | readonly number[];
  /** Called on this thread. */
  readonly handler?: IrqHandler;
  /** Counts interrupts for other threads, by Atomics.add and notify: element `vector`. */
  readonly counts?: Int32Array;
  /** The user's own eventfds, by vector (an irqfd of KVM's, say); interrupts go there and nowhere else. */
  readonly eventfds?: ReadonlyMap<number, Fd>;
  /** `eventfd`: nothing is delivered on this thread; `descriptor()` is for another to wait on. Default `main`. */
  readonly delivery?: 'main' | 'eventfd';
}

const DELIVERIES = ['main', 'eventfd'] as const;

/**
 * Lists the vectors that are asked for.
 * @param count how many the device has
 * @throws ERR_INVALID_ARGUMENT for more than that, and for none
 */
export function vectorsOf({ vectors = 1 }: IrqOptions, count: number): readonly number[] {
  if (Array.isArray(vectors)) {
    if (vectors.length === 0) throw invalidArgument('no vector was asked for');
    if (new Set(vectors).size !== vectors.length) throw invalidArgument('a vector was asked for twice');
    return vectors as readonly number[];
  }
  const wanted = vectors as number;
  if (!Number.isSafeInteger(wanted) || wanted < 1) {
    throw invalidArgument(`vectors is ${shown(wanted)}`, 'give how many, from 1 on, or an array of which ones');
  }
  if (wanted > count) throw invalidArgument(`${wanted} vectors were asked for, and the device has ${count}`);
  return Array.from({ length: wanted }, (_, vector) => vector);
}

/** Checks how vectors are to be delivered: once they come it is too late to say so. @throws ERR_INVALID_ARGUMENT */
export function checkDelivery(vectors: readonly number[], options: IrqOptions): void {
  const { handler, counts, eventfds, delivery = 'main' } = options;
  requireOneOf('delivery', delivery, DELIVERIES);
  if (handler !== undefined) requireFunction('handler', handler);
  if (eventfds !== undefined && !(eventfds instanceof Map)) {
    throw invalidArgument(`eventfds is ${shown(eventfds)}`, 'give a Map of descriptors by vector');
  }
  for (const [vector, fd] of options.eventfds ?? []) {
    if (!Number.isSafeInteger(vector) || vector < 0) {
      throw argumentError('eventfds', 'a Map whose keys are vectors, integers of at least 0', vector);
    }
    requireFd(`eventfds.get(${vector})`, fd);
  }
  if (counts === undefined) return;
  if (!(counts instanceof Int32Array)) throw invalidArgument(`counts is ${shown(counts)}`, 'give an Int32Array');
  const last = Math.max(...vectors);
  if (counts.length > last) return;
  throw invalidArgument(`counts has ${counts.length} elements, and vector ${last} none`, `give ${last + 1} of them`);
}
