import { argumentError, isObject, isPowerOfTwo } from '../base/arguments.js';
import { addon } from '../native/addon.js';
import type { IoWorkerHandle, LaneHandle } from '../native/lane.js';

/** A lane as another thread can open it. Structured clone copies it. */
export interface LaneDescriptor {
  /** The lane's handle, valid on every thread of the process. */
  readonly lane: LaneHandle;
  /** The handle of the I/O worker that serves the lane. */
  readonly worker: IoWorkerHandle;
  /** Slots, a power of two from 2 to 65,536. */
  readonly capacity: number;
}

const FEWEST_SLOTS = 2;
const MOST_SLOTS = 65_536;

/** Rejects a number of slots that no lane can have. @throws ERR_INVALID_ARGUMENT */
export function requireLaneCapacity(name: string, value: number): void {
  if (isPowerOfTwo(value) && value >= FEWEST_SLOTS && value <= MOST_SLOTS) return;
  throw argumentError(name, `a power of two from ${FEWEST_SLOTS} to ${MOST_SLOTS}`, value);
}

/** Rejects a value that does not describe a lane. @throws ERR_INVALID_ARGUMENT */
export function requireLaneDescriptor(value: LaneDescriptor): void {
  if (isObject(value) && Number.isSafeInteger(value.lane) && Number.isSafeInteger(value.worker)) {
    return requireLaneCapacity('capacity', value.capacity);
  }
  throw argumentError('descriptor', 'a LaneDescriptor, as `pool.createLane()` returns it', value);
}

/**
 * Creates a lane and has a worker serve it.
 * @param worker handle of the I/O worker
 * @param capacity slots, a power of two from 2 to 65,536
 * @throws ERR_INVALID_ARGUMENT if `capacity` is another number; EBADF if the worker is closed
 */
export function createLane(worker: IoWorkerHandle, capacity: number): LaneDescriptor {
  requireLaneCapacity('capacity', capacity);
  const lane = addon.laneCreate(capacity);
  try {
    addon.workerAddLane(worker, lane);
  } catch (error) {
    addon.laneClose(lane);
    throw error;
  }
  return { lane, worker, capacity };
}

/** Removes a lane from its worker and closes it. The producer must not use the lane any more. @throws EBADF (rejects) */
export async function destroyLane(descriptor: LaneDescriptor): Promise<void> {
  try {
    await addon.workerRemoveLane(descriptor.worker, descriptor.lane);
  } finally {
    addon.laneClose(descriptor.lane);
  }
}
