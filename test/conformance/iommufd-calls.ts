import type { Fd } from '../../lib/kernel/kernel.js';
import type { IommufdCall, IommufdPlace, ObjectRef, RangeRef } from './generate/iommufd-calls.js';
import { makeConfigKnown } from './known-config.js';
import type { Call } from './program.js';
import { type Outcome, type ProgramRun, SKIPPED } from './program-run.js';
import { CLOSED_FD, PAGE } from './world.js';

type FileCall = Extract<IommufdCall, { iommufd: number }>;
type CdevCall = Extract<IommufdCall, { cdev: number }>;
type ObjectCall = Exclude<IommufdCall, FileCall | CdevCall>;

type IoasRange = ProgramRun['areas'][number];

const DONE: Outcome = { value: 0 };

/** Tells whether a call is one on an iommufd, or one that brings a device to it. */
export function isIommufdCall(call: Call): call is IommufdCall {
  return 'on' in call || 'iommufd' in call || 'cdev' in call;
}

/** Makes one call on an iommufd, or one that brings a device to it. */
export function callIommufd(run: ProgramRun, call: IommufdCall): Promise<Outcome> {
  if ('iommufd' in call) return callFile(run, call);
  return 'cdev' in call ? callCdev(run, call) : callObject(run, call);
}

async function callFile({ world, slots }: ProgramRun, { call, iommufd }: FileCall): Promise<Outcome> {
  const fd = slots.iommufds[iommufd];
  if ((fd === undefined) !== (call === 'openIommufd')) return SKIPPED;
  if (fd === undefined) {
    slots.iommufds[iommufd] = await world.kernel.openIommufd();
    return { value: 'fd' };
  }
  slots.iommufds[iommufd] = undefined;
  await world.kernel.close(fd);
  return DONE;
}

async function callCdev(run: ProgramRun, call: CdevCall): Promise<Outcome> {
  const { kernel, groups } = run.world;
  const { devices } = run.slots;
  const fd = devices[call.cdev];
  if (call.call === 'openCdev') {
    const name = groups[call.cdevOf]?.cdev;
    if (fd !== undefined || name === undefined) return SKIPPED;
    devices[call.cdev] = await kernel.openCdev(name);
    return { value: 'fd' };
  }
  if (fd === undefined) return SKIPPED;
  switch (call.call) {
    case 'bindIommufd': {
      const target = placeOf(run, call.on);
      if (target === undefined) return SKIPPED;
      const id = await kernel.bindIommufd(fd, target);
      await makeConfigKnown(kernel, fd);
      return gotId(run, 'device', id);
    }
    case 'attach':
      return gotId(run, 'hwpt', await kernel.attachIommufdPt(fd, idOf(run, call.to)));
    case 'detach':
      await kernel.detachIommufdPt(fd);
      return DONE;
  }
}

async function callObject(run: ProgramRun, call: ObjectCall): Promise<Outcome> {
  const { kernel } = run.world;
  const fd = placeOf(run, call.on);
  if (fd === undefined) return SKIPPED;
  const id = (ref: ObjectRef): number => idOf(run, ref);
  switch (call.call) {
    case 'allocIoas':
      return gotId(run, 'ioas', kernel.allocIoas(fd));
    case 'getIovaRanges':
      return { value: kernel.getIovaRanges(fd, id(call.ioas)) };
    case 'allowIovas':
      kernel.allowIovas(fd, id(call.ioas), call.ranges);
      return DONE;
    case 'mapIoas': {
      const { flags, iova, size } = call;
      const map = { ioasId: id(call.ioas), flags, vaddr: vaddrOf(run, call), iova, size };
      return gotArea(run, { ...map, iova: await kernel.mapIoas(fd, map) });
    }
    case 'copyIoas': {
      const { flags, toIova } = call;
      const { ioasId: fromIoasId, iova: fromIova, size } = rangeOf(run, call.range, call.from);
      const toIoasId = id(call.to);
      const iova = await kernel.copyIoas(fd, { flags, fromIoasId, toIoasId, fromIova, toIova, size });
      return gotArea(run, { ioasId: toIoasId, iova, size });
    }
    case 'unmapIoas': {
      const { ioasId, iova, size } = rangeOf(run, call.range, call.ioas);
      return { value: await kernel.unmapIoas(fd, ioasId, iova, size) };
    }
    case 'getOption':
      return { value: kernel.getOption(fd, call.option, id(call.object)) };
    case 'setOption':
      kernel.setOption(fd, call.option, id(call.object), call.value);
      return DONE;
    case 'destroy':
      await kernel.destroy(fd, id(call.object));
      return DONE;
    case 'allocHwpt':
      return gotId(run, 'hwpt', await kernel.allocHwpt(fd, call.flags, id(call.user), id(call.parent)));
    case 'setTracking':
      await kernel.setHwptDirtyTracking(fd, id(call.hwpt), call.enabled);
      return DONE;
    case 'getDirty': {
      const { iova, size, pageSize } = call;
      return { value: await kernel.getHwptDirtyBitmap(fd, id(call.hwpt), { iova, size, pageSize }) };
    }
    case 'getHwInfo':
      return { value: kernel.getHwInfo(fd, id(call.user)) };
  }
}

/** Returns the descriptor that a call is made on. */
function placeOf({ slots }: ProgramRun, place: IommufdPlace): Fd | undefined {
  switch (place) {
    case 'container':
      return slots.containers[0];
    case 'group':
      return slots.groups[0];
    case 'device':
      return slots.devices[0];
    case 'closed':
      return CLOSED_FD;
    default:
      return slots.iommufds[place];
  }
}

/** Remembers an id, which later calls can name. */
function gotId(run: ProgramRun, kind: keyof ProgramRun['ids'], id: number): Outcome {
  if (!run.ids[kind].includes(id)) run.ids[kind].push(id);
  return { value: id };
}

/**
 * Returns the id that a program names. Before the program got one of the kind, it is a low number: also that of the IOAS
 * that a group made, which no call returns.
 */
function idOf({ ids }: ProgramRun, { of, index }: ObjectRef): number {
  if (of === 'number') return index;
  const known = ids[of];
  return known[index % known.length] ?? index + 1;
}

/** Remembers a mapping, which later calls can name. */
function gotArea(run: ProgramRun, { ioasId, iova, size }: IoasRange): Outcome {
  run.areas.unshift({ ioasId, iova, size });
  return { value: iova };
}

/** Returns the range that a program names. @param ioas of a plain range */
function rangeOf(run: ProgramRun, range: RangeRef, ioas: ObjectRef): IoasRange {
  if (!('area' in range)) return { ioasId: idOf(run, ioas), ...range };
  const { areas } = run;
  const area = areas[range.area % areas.length] ?? { ioasId: idOf(run, ioas), iova: 0x10000n, size: BigInt(PAGE) };
  const page = BigInt(PAGE);
  switch (range.part) {
    case 'all':
      return area;
    case 'first page':
      return { ...area, size: page };
    case 'last page':
      return { ...area, iova: BigInt.asUintN(64, area.iova + area.size - page), size: page };
    case 'larger':
      return { ...area, size: area.size + page };
  }
}

function vaddrOf(run: ProgramRun, { vaddr, page, offset }: Extract<IommufdCall, { call: 'mapIoas' }>): bigint {
  switch (vaddr) {
    case 'arena':
      return run.world.addon.bufferAddress(run.memory, page * PAGE + offset);
    case 'null':
      return BigInt(offset);
    case 'last page':
      return (1n << 64n) - BigInt(PAGE);
    case 'wraps':
      return (1n << 64n) - 1n;
  }
}
