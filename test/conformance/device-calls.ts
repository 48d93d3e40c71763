import type { Fd, IrqSet } from '../../lib/kernel/kernel.js';
import * as uapi from '../../lib/uapi/vfio.js';
import { eduDma } from './edu-dma.js';
import type { Outcome, Run } from './executor.js';
import type { Call, IrqArguments, Place } from './program.js';

type DeviceCall = Exclude<Extract<Call, { device: number }>, { group: number }>;

const COMMAND = { regionIndex: uapi.VFIO_PCI_CONFIG_REGION_INDEX, offset: 4 };

/** Tells a call on a device's descriptor from the others. */
export function isDeviceCall(call: Call): call is DeviceCall {
  return 'device' in call && !('group' in call);
}

/** Makes one call on a device's descriptor. */
export async function callDevice(run: Run, call: DeviceCall): Promise<Outcome> {
  const { kernel } = run.world;
  const fd = run.slots.devices[call.device];
  if (fd === undefined) return { skipped: true };
  switch (call.call) {
    case 'closeDevice':
      run.slots.devices[call.device] = undefined;
      await kernel.close(fd);
      return { value: 0 };
    case 'getDeviceInfo':
      return { value: kernel.getDeviceInfo(fd, ownSize(call.argsz)) };
    case 'getRegionInfo':
      return { value: kernel.getRegionInfo(fd, call.regionIndex, ownSize(call.argsz)) };
    case 'getIrqInfo':
      return { value: kernel.getIrqInfo(fd, call.irqIndex, ownSize(call.argsz)) };
    case 'read':
      return { value: Buffer.from(await kernel.pread(fd, fileOffset(call.place), call.length)).toString('hex') };
    case 'write':
      return { value: await kernel.pwrite(fd, fileOffset(call.place), littleEndian(call.value, call.length)) };
    case 'setCommand':
      return { value: await kernel.pwrite(fd, fileOffset(COMMAND), littleEndian(call.value, 2)) };
    case 'setIrqs':
      await kernel.setIrqs(fd, irqStructure(run, call));
      return { value: 0 };
    case 'eduDma':
      return { value: await eduDma(kernel, fd, call.iovaPage, call.toDevice) };
  }
}

/** vfio-pci's file offset of a place. */
export function fileOffset(place: Place): bigint {
  return (BigInt(place.regionIndex) << uapi.VFIO_PCI_OFFSET_SHIFT) + BigInt(place.offset);
}

/** The low bytes of a value. */
export function littleEndian(value: number, length: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(value);
  return bytes.subarray(0, length);
}

const DATA: Readonly<Record<IrqArguments['data'], number>> = {
  none: uapi.VFIO_IRQ_SET_DATA_NONE,
  bool: uapi.VFIO_IRQ_SET_DATA_BOOL,
  eventfd: uapi.VFIO_IRQ_SET_DATA_EVENTFD,
  badfd: uapi.VFIO_IRQ_SET_DATA_EVENTFD,
  'two types': uapi.VFIO_IRQ_SET_DATA_EVENTFD | uapi.VFIO_IRQ_SET_DATA_NONE,
  'no type': 0,
};
const ACTION: Readonly<Record<IrqArguments['action'], number>> = {
  mask: uapi.VFIO_IRQ_SET_ACTION_MASK,
  unmask: uapi.VFIO_IRQ_SET_ACTION_UNMASK,
  trigger: uapi.VFIO_IRQ_SET_ACTION_TRIGGER,
  unknown: 0x100,
};

function irqStructure(run: Run, call: IrqArguments): IrqSet {
  const fd: Fd = call.data === 'badfd' ? 9999 : run.eventfd;
  return {
    flags: DATA[call.data] | ACTION[call.action],
    index: call.irqIndex,
    start: call.start,
    count: call.count,
    ...(call.data === 'eventfd' || call.data === 'badfd' ? { eventfds: new Array<Fd>(call.count).fill(fd) } : {}),
    ...(call.data === 'bool' ? { bools: new Uint8Array(call.count).fill(1) } : {}),
  };
}

function ownSize(argsz: number): number | undefined {
  return argsz === 0 ? undefined : argsz;
}
