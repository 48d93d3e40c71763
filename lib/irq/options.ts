import { argumentError, requireFd, requireFunction, requireOneOf } from '../base/arguments.js';
import { invalidArgument } from '../base/errors.js';
import type { Fd } from '../kernel/kernel.js';

/**
 * Called with the vector and the number of its interrupts since the last call. INTx is unmasked when it has returned, or
 * when the promise that it returned has settled.
 */
export type IrqHandler = (vector: number, count: number) => void | Promise<void>;

/** Which vectors `DeviceIrq.enable` enables, and where their interrupts are delivered. */
export interface IrqOptions {
  /** The number of vectors, counted from vector 0, or a list of vectors. Default: 1. */
  readonly vectors?: number | readonly number[];
  /** Called on this thread. */
  readonly handler?: IrqHandler;
  /** Counts the interrupts for other threads, by Atomics.add and Atomics.notify on element `vector`. */
  readonly counts?: Int32Array;
  /** The caller's own eventfds by vector, for example irqfds of KVM. Interrupts are delivered to them only. */
  readonly eventfds?: ReadonlyMap<number, Fd>;
  /** `eventfd`: nothing is delivered on this thread; another thread waits on `descriptor()`. Default: `main`. */
  readonly delivery?: 'main' | 'eventfd';
}

const DELIVERIES = ['main', 'eventfd'] as const;

/**
 * Lists the vectors that the options select.
 * @param count of the vectors that the device has
 * @throws ERR_INVALID_ARGUMENT if they select no vector, one vector twice, or more vectors than the device has
 */
export function selectedVectors({ vectors = 1 }: IrqOptions, count: number): readonly number[] {
  if (Array.isArray(vectors)) {
    if (vectors.length === 0) throw invalidArgument('`vectors` must not be empty');
    if (new Set(vectors).size !== vectors.length) throw invalidArgument('`vectors` must not contain a vector twice');
    return vectors as readonly number[];
  }
  const wanted = vectors as number;
  if (!Number.isSafeInteger(wanted) || wanted < 1) {
    throw argumentError('vectors', 'an integer of at least 1, or an array of vectors', wanted);
  }
  if (wanted > count) throw argumentError('vectors', `at most ${count}, the vectors of the device`, wanted);
  return Array.from({ length: wanted }, (_, vector) => vector);
}

/** Checks the options of delivery, before an interrupt can arrive. @throws ERR_INVALID_ARGUMENT */
export function requireDelivery(vectors: readonly number[], options: IrqOptions): void {
  const { handler, counts, eventfds, delivery = 'main' } = options;
  requireOneOf('delivery', delivery, DELIVERIES);
  if (handler !== undefined) requireFunction('handler', handler);
  if (eventfds !== undefined) requireEventfds(eventfds);
  if (counts !== undefined) requireCounts(counts, Math.max(...vectors));
}

function requireEventfds(eventfds: ReadonlyMap<number, Fd>): void {
  if (!(eventfds instanceof Map)) throw argumentError('eventfds', 'a Map of file descriptors by vector', eventfds);
  for (const [vector, fd] of eventfds as ReadonlyMap<number, Fd>) {
    if (!Number.isSafeInteger(vector) || vector < 0) {
      throw argumentError('eventfds', 'a Map whose keys are vectors, integers of at least 0', vector);
    }
    requireFd(`eventfds.get(${vector})`, fd);
  }
}

function requireCounts(counts: Int32Array, lastVector: number): void {
  if (!(counts instanceof Int32Array)) throw argumentError('counts', 'an Int32Array', counts);
  if (counts.length > lastVector) return;
  const needed = `an Int32Array of at least ${lastVector + 1} elements, because vector ${lastVector} is enabled`;
  throw invalidArgument(`\`counts\` must be ${needed}. Received ${counts.length} elements`);
}
