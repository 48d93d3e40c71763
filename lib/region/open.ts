import { channel } from 'node:diagnostics_channel';

import { addon } from '../native/addon.js';
import { PAGE_SIZE } from '../native/page-size.js';
import { VFIO_REGION_INFO_FLAG_READ, VFIO_REGION_INFO_FLAG_WRITE } from '../uapi/vfio.js';
import type { MappedArea, RegionDescriptor } from './descriptor.js';
import { planAreas, type PlannedArea } from './plan.js';
import type { RegionSource } from './region.js';

/** Tells of areas that could not be mapped: `vfio-engine:map-failed`, with the error. */
const mapFailures = channel('vfio-engine:map-failed');

/** Maps what the plan says, and makes the region known to every thread. What fails to map is trapped. */
export async function openRegion(source: RegionSource): Promise<RegionDescriptor> {
  const planned = planAreas(source.info, PAGE_SIZE, source);
  const areas = planned.length === 0 ? [] : await mapAreas(source, planned);
  try {
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
    return describe(source, handle, areas);
  } catch (error) {
    for (const area of areas) addon.mappingClose(area.mapping);
    throw error;
  }
}

/**
 * Takes a region away from every thread and lets its memory go. Closing twice does nothing.
 * @returns what waits for the threads that are inside; undefined where there are none
 */
export function closeRegion(descriptor: RegionDescriptor): Promise<void> | undefined {
  if (!open.delete(descriptor.handle)) return undefined;
  const end = (): void => descriptor.areas.forEach((area) => addon.mappingEnd(area.mapping));
  let leaving: Promise<void> | undefined;
  try {
    leaving = addon.regionClose(descriptor.handle);
    return leaving?.finally(end);
  } finally {
    if (leaving === undefined) end();
  }
}

/** Handles not closed yet. */
const open = new Set<number>();

function describe(source: RegionSource, handle: number, areas: readonly MappedArea[]): RegionDescriptor {
  const { info, deviceName, ioPort } = source;
  open.add(handle);
  return {
    handle,
    device: deviceName,
    regionIndex: info.index,
    size: Number(info.size),
    readable: (info.flags & VFIO_REGION_INFO_FLAG_READ) !== 0,
    writable: (info.flags & VFIO_REGION_INFO_FLAG_WRITE) !== 0,
    ioPort,
    areas,
  };
}

/** An area that the kernel does not map is trapped: slower, and as right. Source: kvmtool's vfio_map_region */
async function mapAreas(source: RegionSource, planned: readonly PlannedArea[]): Promise<MappedArea[]> {
  const { kernel, device, info } = source;
  const prot = {
    read: (info.flags & VFIO_REGION_INFO_FLAG_READ) !== 0,
    write: (info.flags & VFIO_REGION_INFO_FLAG_WRITE) !== 0,
  };
  const areas: MappedArea[] = [];
  for (const { offset, size } of planned) {
    try {
      areas.push({ offset, size, mapping: await kernel.mmap(device, info.offset + BigInt(offset), size, prot) });
    } catch (error) {
      mapFailures.publish(error);
    }
  }
  return areas;
}
