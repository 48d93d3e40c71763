import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { median } from 'simple-statistics';

import { bindDriver, restoreDriver } from '../lib/sysfs/binding.js';
import { Engine } from '../lib/engine/engine.js';
import { linuxKernel } from '../lib/kernel/linux/linux.js';
import { queryGroup } from '../lib/sysfs/iommu-group.js';
import { linuxSysfs } from '../lib/sysfs/linux-sysfs.js';
import type { BenchCase } from './case.js';

/** edu of the guest. */
const DEVICE = '0000:00:04.0';
const FOLDER = `/sys/bus/pci/devices/${DEVICE}`;
const ROUNDS = 20;
/** Until V8 has compiled the way, as the program's compiler did: without KVM the first rounds take twice as long. */
const WARM_UP = 2000;
const PROGRAM = join(dirname(fileURLToPath(import.meta.url)), '../../bench/baseline/build/Release/attach');

/** Attaching and detaching edu in the guest, against a C program that makes the same system calls (bench/baseline/attach.c). */
export function attachCase(backend: 'container' | 'iommufd'): BenchCase {
  return {
    name: `attach-${backend}`,
    title: `attaching and detaching edu by ${backend}`,
    unit: 'us',
    bar: 2,
    async prepare() {
      await bindDriver(DEVICE);
      const engine = new Engine({ kernels: [linuxKernel()], backend });
      // Its node is looked up anew by every attach, here and there.
      const [way, ...where] = await programArguments(backend);
      const program = [way, ...(way === 'cdev' ? [DEVICE] : []), ...where];
      for (let round = 0; round < WARM_UP; round++) await (await engine.attach(DEVICE)).detach();
      return {
        subject: async () => [await attachAndDetach(engine)],
        baseline: () => {
          const answer = execFileSync(PROGRAM, [...program, String(ROUNDS)], { encoding: 'utf8' });
          const { attach, detach } = JSON.parse(answer) as { attach: number; detach: number };
          return [(attach + detach) / 1000];
        },
        close: async () => {
          await engine.close();
          await restoreDriver(DEVICE);
        },
      };
    },
  };
}

/** The median of attaching and that of detaching, as the program gives them; microseconds. */
async function attachAndDetach(engine: Engine): Promise<number> {
  const [attaching, detaching]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.hrtime.bigint();
    const device = await engine.attach(DEVICE);
    const attached = process.hrtime.bigint();
    await device.detach();
    attaching.push(Number(attached - start) / 1000);
    detaching.push(Number(process.hrtime.bigint() - attached) / 1000);
  }
  return median(attaching) + median(detaching);
}

/** Names the device as the C programs of bench/baseline want it. */
export async function programArguments(backend: 'container' | 'iommufd'): Promise<[way: string, ...where: string[]]> {
  if (backend === 'iommufd') return ['cdev', `/dev/vfio/devices/${readdirSync(`${FOLDER}/vfio-dev`).join()}`];
  const { id } = await queryGroup(linuxSysfs, FOLDER, DEVICE);
  return ['group', id, DEVICE];
}
