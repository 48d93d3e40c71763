/**
 * For an emulator: places regions and whole devices on the bus of its guest.
 *
 * @module vfio-engine/guest-bus
 */
export type { AccessHandlers, GuestBus, GuestMemorySlot } from './guest-bus.js';
export { placeDevice, type PlaceableDevice, type PlacedDevice, type PlaceDeviceOptions } from './placed-device.js';
export type { GuestFault } from './region-handlers.js';
export type { PlaceOptions } from './place-options.js';
export { placeRegion, type Placement } from './placement.js';
export type { GuestAddress } from './placement-plan.js';
export type { AccessPort, AreaView, PlaceableRegion } from './placeable-region.js';
export { SimpleBus } from './simple-bus.js';
