/** The public interface of vfio-engine. */
export { Engine, type AttachOptions, type EngineOptions } from './engine/engine.js';
export { Device, type DriverOptions } from './device/device.js';
export type { OnRequest, RequestHandler } from './device/request-watch.js';
export type { BackendName } from './backends/backend.js';
export { VfioError, type VfioErrorCode, type VfioErrorFields } from './base/errors.js';

export { Region, type WaitOptions } from './region/region.js';
export type { BatchStep } from './region/batch.js';
export { RegionAccess } from './region/access.js';
export { Program, type ProgramTarget } from './region/program.js';
export type { MappedArea, RegionDescriptor } from './region/descriptor.js';
export type { Width } from './region/checks.js';
export { WorkerPool } from './pool/pool.js';
export type { PoolOptions } from './pool/options.js';
export { SyncLane, type SyncLaneOptions } from './lane/sync-lane.js';
export { LaneProducer, type LaneDescriptor } from './lane/producer.js';
export { Op, type Operation } from './layout/slot.js';
export type { DriverContext, DriverFunction } from '../workers/driver-host.js';

export { DmaSpace, type DmaAllocateOptions, type DmaMapOptions, type DmaPoolOptions } from './dma/dma-space.js';
export { DmaBuffer, DmaMapping, MemoryBank, type DiscardOptions } from './dma/buffers.js';
export { DmaPool, type DmaPoolBuffer } from './dma/pool.js';
export { IrqWaiter, type IrqDescriptor, type WaitForIrqOptions } from './irq/waiter.js';
export type { IrqName } from './irq/names.js';
export type { DeviceFeatures, LowPowerOptions } from './device/features.js';
export type { HotResetDevice } from './device/hot-reset.js';
export { DeviceIrq, type IrqHandler, type IrqOptions } from './irq/device-irq.js';
export { ConfigSpace, type IdOverrides } from './config-space/config-space.js';
export type { BarAddress, ConfigHeader } from './config-space/header.js';

export { bindDriver, restoreDriver, type BindOptions, type DriverChange } from './sysfs/binding.js';
export { listDevices, type InventoryEntry } from './sysfs/inventory.js';
export { findHolders, type FileHolder } from './sysfs/file-holders.js';
export type { Sysfs } from './kernel/sysfs.js';

export type { VfioKernel } from './kernel/kernel.js';
export { linuxKernel, type LinuxKernel } from './kernel/linux/linux.js';
export { SoftwareMachine } from './software/machine/machine.js';
export { createDefaultMachine, defaultMachine } from './software/machine/default-machine.js';
export type { DeviceOptions, MachineOptions, ProcessOptions } from './software/machine/options.js';

export { startModel, serveModel } from './models/host.js';
export type { BarLayout, BarOffset, ModelHost, ModelInstance, PciIdentity, PciModel } from './models/model.js';

export type { AccessHandlers, GuestBus, GuestMemorySlot } from './guest-bus/guest-bus.js';
export { placeDevice, type PlaceableDevice, type PlacedDevice, type PlaceDeviceOptions } from './guest-bus/placed-device.js';
export type { GuestFault } from './guest-bus/region-handlers.js';
export { placeRegion, type Placement, type PlaceOptions } from './guest-bus/placement.js';
export type { GuestAddress } from './guest-bus/placement-plan.js';
export type { OpenRegion } from './guest-bus/region-port.js';
export { SimpleBus } from './guest-bus/simple-bus.js';

export * from './uapi/vfio.js';
