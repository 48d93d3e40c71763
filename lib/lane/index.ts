/**
 * Lanes: rings of operations between a thread of the user's own and an I/O worker.
 *
 * @module vfio-engine/lane
 */
export type { LaneDescriptor } from './descriptor.js';
export { LaneProducer } from './lane-producer.js';
export { SyncLane, type SyncLaneOptions } from './sync-lane.js';
export { Op, type Operation, type SlotView } from '../layout/slot.js';
export type { BufferNumber, IoWorkerHandle, LaneHandle, RegionNumber } from '../native/lane.js';
