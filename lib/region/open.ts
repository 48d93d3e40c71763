import { channel } from 'node:diagnostics_channel';

import { VfioError, withContext } from '../base/errors.js';
import type { Fd, RegionInfo, VfioKernel } from '../kernel/kernel.js';
import type { AsyncLane } from '../lane/async-lane.js';
import { addon } from '../native/addon.js';
import type { RegionHandle, RegionNumber } from '../native/lane.js';
import { PAGE_SIZE } from '../native/page-size.js';
import { VFIO_REGION_INFO_FLAG_READ, VFIO_REGION_INFO_FLAG_WRITE } from '../uapi/vfio.js';
import type { MappedArea, RegionDescriptor } from './descriptor.js';
import { planAreas, type PlannedArea } from './plan.js';

/** What `Region.open` needs to know about a region. */
export interface RegionSource {
  readonly kernel: VfioKernel;
  /** The device's file. */
  readonly device: Fd;
  readonly deviceName: string;
  readonly info: RegionInfo;
  /** Whether the region is I/O ports (bit 0 of its BAR). */
  readonly ioPort: boolean;
  /** Where the MSI-X table lies in this region; undefined if it lies in another one. */
  readonly msixTable?: PlannedArea;
  /** Whether to trap all of the region. */
  readonly trap?: boolean;
  /** The lane of the region's asynchronous operations. All regions of a device share it, which keeps their order. */
  readonly lane: AsyncLane;
}

/** A region that was opened. */
export interface OpenedRegion {
  readonly descriptor: RegionDescriptor;
  /** The region's number in its lane. */
  readonly number: RegionNumber;
  /** Why the kernel refused to map areas of the plan; see `Region.mapErrors`. */
  readonly mapErrors: readonly VfioError[];
}

/** Publishes the error of each area that the kernel refused to map. */
const mapFailures = channel('vfio-engine:map-failed');

/** The handles of the regions that are open. */
const openHandles = new Set<RegionHandle>();

/**
 * Maps the areas of the plan and enters the region into the addon's table, which every thread shares. An area that the
 * kernel refuses to map is trapped.
 * @throws (rejects) EMFILE if the file cannot be duplicated or too many regions are open; EBADF if the lane is closed
 */
export async function openRegion(source: RegionSource): Promise<OpenedRegion> {
  const planned = planAreas(source.info, PAGE_SIZE, source);
  const areas: MappedArea[] = [];
  try {
    // Most regions have nothing to map, and attaching waits for each promise.
    const mapErrors = planned.length === 0 ? [] : await mapAreas(source, planned, areas);
    const { kernel, device, info } = source;
    const target = kernel.ioTarget(device);
    const handle = addon.regionCreate(
      Number(info.size),
      info.flags & (VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE),
      target.kind === 'fd' ? target.fd : -1,
      target.kind === 'vfio-user' ? target.connection : 0,
      target.kind === 'fd' ? info.offset : 0n,
      info.index,
      areas.map((area) => [area.offset, area.size, area.mapping] as const),
    );
    const number = await numberIn(source.lane, handle);
    openHandles.add(handle);
    return { descriptor: descriptorOf(source, handle, areas), number, mapErrors };
  } catch (error) {
    for (const area of areas) addon.mappingClose(area.mapping);
    throw error;
  }
}

/** Gives a region to its lane. If that fails, the region is closed. */
async function numberIn(lane: AsyncLane, handle: RegionHandle): Promise<RegionNumber> {
  try {
    return lane.addRegion(handle);
  } catch (error) {
    await addon.regionClose(handle);
    throw error;
  }
}

/**
 * Takes a region away from every thread and unmaps it. Does nothing if the region is closed already.
 * @returns a promise of the end of the accesses under way; undefined if there are none
 */
export function closeRegion(descriptor: RegionDescriptor): Promise<void> | undefined {
  if (!openHandles.delete(descriptor.handle)) return undefined;
  const unmap = (): void => descriptor.areas.forEach((area) => addon.mappingEnd(area.mapping));
  let accesses: Promise<void> | undefined;
  try {
    accesses = addon.regionClose(descriptor.handle);
    return accesses?.finally(unmap);
  } finally {
    if (accesses === undefined) unmap();
  }
}

function descriptorOf(source: RegionSource, handle: number, areas: readonly MappedArea[]): RegionDescriptor {
  const { info, deviceName, ioPort } = source;
  const { read, write } = accessOf(info);
  return {
    handle,
    device: deviceName,
    regionIndex: info.index,
    size: Number(info.size),
    readable: read,
    writable: write,
    ioPort,
    areas,
  };
}

/**
 * Maps one area after the other and adds each to `areas`.
 * @returns the errors of the areas that the kernel refused. Source: kvmtool's vfio_map_region traps such an area too
 */
async function mapAreas(
  source: RegionSource,
  planned: readonly PlannedArea[],
  areas: MappedArea[],
): Promise<VfioError[]> {
  const { kernel, device, deviceName, info } = source;
  const mapErrors: VfioError[] = [];
  for (const { offset, size } of planned) {
    try {
      const mapping = await kernel.mmap(device, info.offset + BigInt(offset), size, accessOf(info));
      areas.push({ offset, size, mapping });
    } catch (cause) {
      const error = withContext(cause, { device: deviceName });
      if (!(error instanceof VfioError)) throw error;
      mapErrors.push(error);
      mapFailures.publish(error);
    }
  }
  return mapErrors;
}

function accessOf(info: RegionInfo): { read: boolean; write: boolean } {
  return {
    read: (info.flags & VFIO_REGION_INFO_FLAG_READ) !== 0,
    write: (info.flags & VFIO_REGION_INFO_FLAG_WRITE) !== 0,
  };
}
