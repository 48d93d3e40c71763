import type { BackendName } from '../../lib/backends/backend.js';
import type { VfioKernel } from '../../lib/kernel/kernel.js';
import { linuxKernel } from '../../lib/kernel/linux/linux.js';
import { SoftwareMachine } from '../../lib/software/machine/software-machine.js';
import { BDF } from '../guest/devices.js';
import { bind, restore } from '../guest/support/binding.js';
import { workEdu } from './edu-job.js';
import { workOther } from './other-job.js';
import type { Job, SessionDevice } from './session.js';
import { workTestdev } from './testdev-job.js';

/** A device under stress, and its job. */
export interface StressDevice extends SessionDevice {
  readonly job: Job;
}

/** A kernel with devices, for one epoch. */
export interface Target {
  readonly kernel: VfioKernel;
  readonly devices: readonly StressDevice[];
  /** The backends that attach the devices. */
  readonly backends: readonly BackendName[];
  /** Whether regions are trapped: a plan sees no accesses of mapped memory. */
  readonly trap: boolean;
  /** How much more probable faults are: a slow kernel does less in the same time. */
  readonly faultFactor: number;
  /** The time after which everything is closed and leaks are counted. */
  readonly epochMs: number;
  /** Counts what the kernel still holds after all devices are detached, and closes it. */
  close(): Promise<number>;
}

/** The kernels that can be stressed. */
export const TARGETS = { software: softwareTarget, linux: linuxTarget };

/** Models in threads, and in processes, which are killed. */
const SOFTWARE = [
  { name: 'f000:00:04.0', placement: 'thread', model: 'testdev', mortal: false, job: workTestdev },
  { name: 'f000:00:05.0', placement: 'process', model: 'testdev', mortal: true, job: workTestdev },
  { name: 'f000:00:06.0', placement: 'thread', model: 'edu', mortal: false, job: workEdu },
] as const;

async function softwareTarget(): Promise<Target> {
  const machine = new SoftwareMachine();
  for (const { name, placement, model } of SOFTWARE) await machine.addDevice({ name, placement, model });
  const kernel = machine.process();
  return {
    kernel,
    devices: SOFTWARE,
    backends: ['container'],
    trap: false,
    faultFactor: 1,
    epochMs: 30_000,
    async close() {
      const left = machine.containerCount + Number(kernel.lockedMemory().lockedBytes ?? 0n);
      await machine.close();
      return left;
    },
  };
}

/** The devices of the guest. */
const LINUX = [
  { name: BDF.edu, mortal: false, job: workEdu },
  { name: BDF.eduWide, mortal: false, job: workEdu },
  { name: BDF.nvme, mortal: false, job: workOther },
];

async function linuxTarget(): Promise<Target> {
  for (const { name } of LINUX) await bind(name);
  return {
    kernel: linuxKernel(),
    devices: LINUX,
    backends: ['container', 'iommufd'],
    trap: true,
    faultFactor: 4,
    epochMs: 100_000,
    async close() {
      for (const { name } of LINUX) await restore(name);
      return 0;
    },
  };
}
