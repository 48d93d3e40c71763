/**
 * Attaches PCI devices to a program: regions, DMA, interrupts, config space, and the threads that do the work.
 *
 * @module vfio-engine
 */
export { Engine, type AttachOptions, type EngineOptions } from './engine/engine.js';
export { Device, type DeviceEvents, type DriverOptions } from './device/device.js';
export type { RevocationEvent } from './device/revocation-watch.js';
export type { DeviceFeatures, LowPowerOptions } from './device/features.js';
export type { HotResetDevice } from './device/hot-reset.js';
export type { OnRequest, RequestHandler } from './device/request-watch.js';
export type { TrapRegions } from './device/open-regions.js';
export type { BackendName } from './backends/backend.js';
export type { BackendLeftMessage } from './backends/auto-backend.js';
export type { AttachMessage, RemovalMessage, RequestMessage, WarningMessage } from './base/diagnostics.js';
export { VfioError, type VfioErrorCode, type VfioErrorFields } from './base/errors.js';
export type { ErrnoName } from './uapi/errno.js';

export { Region, type WaitOptions } from './region/region.js';
export type { BatchStep } from './region/batch.js';
export type { PollCondition } from './region/poll-condition.js';
export { RegionAccess } from './region/region-access.js';
export { Program, type ProgramTarget } from './region/program.js';
export type { MappedArea, RegionDescriptor } from './region/descriptor.js';
export type { RegionHandle } from './native/lane.js';
export type { Width } from './region/access-checks.js';

export { WorkerPool } from './pool/pool.js';
export type { PoolOptions, PoolSettings } from './pool/options.js';
export type { CpuChoice } from './pool/cpus.js';
export type { DriverTask } from './pool/driver-task.js';
export type { DriverContext, DriverFunction } from '../workers/driver-host.js';

export { DmaSpace, type DmaAllocateOptions, type DmaPoolOptions, type MemoryBankOptions } from './dma/dma-space.js';
export { DmaMapping } from './dma/dma-mapping.js';
export { DmaBuffer, type DiscardOptions } from './dma/dma-buffer.js';
export { MemoryBank } from './dma/memory-bank.js';
export { DmaPool, type DmaPoolBuffer, type DmaPoolShape } from './dma/dma-pool.js';
export type { DmaAccess, DmaMapOptions, MapProgress } from './dma/space/map-request.js';
export type { DmaMemory } from './dma/memory/located-memory.js';
export type { MemoryKind, MemoryOptions } from './dma/memory/shared-memory.js';
export type { IovaRange } from './base/iova-range.js';

export { DeviceIrq, type IrqHandler, type IrqOptions } from './irq/device-irq.js';
export type { NextOptions } from './irq/vector.js';
export { IrqWaiter, type IrqDescriptor, type WaitForIrqOptions } from './irq/waiter.js';
export type { IrqName } from './irq/names.js';

export { ConfigSpace, type IdOverrides } from './config-space/config-space.js';
export type { BarAddress, ConfigHeader } from './config-space/header.js';
export type { Capability, ExtendedCapability } from './config-space/capabilities.js';
export type { EmulatedField } from './config-space/overlay.js';

export { bindDriver, restoreDriver, type BindOptions, type DriverChange } from './sysfs/binding.js';
export type { BindTarget } from './sysfs/bindable-function.js';
export { listDevices, type InventoryEntry } from './sysfs/inventory.js';
export type { ViabilityBlocker } from './sysfs/iommu-group.js';
