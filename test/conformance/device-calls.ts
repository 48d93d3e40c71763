import type { Fd, IrqSet, VfioKernel } from '../../lib/kernel/kernel.js';
import * as uapi from '../../lib/uapi/vfio.js';
import { type EduTransfer, runEduTransfer } from './edu-transfer.js';
import type { ConfigCall } from './generate/config-calls.js';
import type { DeviceCall, IrqArguments, Place } from './generate/device-calls.js';
import type { Call } from './program.js';
import { type Outcome, type ProgramRun, SKIPPED } from './program-run.js';
import { fileOffset, littleEndian } from './register-access.js';
import { CLOSED_FD, PAGE } from './world.js';

/** The program goes on after this time: a transfer that does not end is an outcome, too. */
const TRANSFER_MS = 2000;
/** Bytes. */
const TRANSFER_LENGTH = 64;
const COMMAND = { regionIndex: uapi.VFIO_PCI_CONFIG_REGION_INDEX, offset: 4 };

/** Tells whether a call is made on the descriptor of a device. */
export function isDeviceCall(call: Call): call is DeviceCall | ConfigCall {
  return 'device' in call && !('group' in call);
}

/** Makes one call on a device's descriptor. */
export async function callDevice(run: ProgramRun, call: DeviceCall | ConfigCall): Promise<Outcome> {
  const { kernel } = run.world;
  const fd = run.slots.devices[call.device];
  if (fd === undefined) return SKIPPED;
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
      return { value: await hexAt(kernel, fd, call.place, call.length) };
    case 'write':
      return { value: await kernel.pwrite(fd, fileOffset(call.place), littleEndian(call.value, call.length)) };
    case 'readConfig':
      return { value: await hexAt(kernel, fd, configPlace(call.offset), call.length) };
    case 'writeConfig':
      return { value: await kernel.pwrite(fd, fileOffset(configPlace(call.offset)), bytesOf(call.value, call.length)) };
    case 'setCommand':
      return { value: await kernel.pwrite(fd, fileOffset(COMMAND), littleEndian(call.value, 2)) };
    case 'setIrqs':
      await kernel.setIrqs(fd, irqStructure(run, call));
      return { value: 0 };
    case 'eduDma':
      return { value: (await runEduTransfer(kernel, fd, transferOf(call), TRANSFER_MS)) ? 'done' : 'never done' };
  }
}

async function hexAt(kernel: VfioKernel, fd: Fd, place: Place, length: number): Promise<string> {
  return Buffer.from(await kernel.pread(fd, fileOffset(place), length)).toString('hex');
}

function configPlace(offset: number): Place {
  return { regionIndex: uapi.VFIO_PCI_CONFIG_REGION_INDEX, offset };
}

function bytesOf(value: bigint, length: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(8, length));
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes.subarray(0, length);
}

function transferOf(call: Extract<DeviceCall, { call: 'eduDma' }>): EduTransfer {
  const iova = BigInt(0x10000 + call.iovaPage * PAGE);
  return { iova, bufferOffset: 0, length: TRANSFER_LENGTH, toDevice: call.toDevice };
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

function irqStructure(run: ProgramRun, call: IrqArguments): IrqSet {
  const fd: Fd = call.data === 'badfd' ? CLOSED_FD : run.eventfd;
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
