import { linuxKernel } from '../../../../lib/kernel/linux/linux.js';
import { describeConfigAnswers } from '../../../contract/config-answers.js';
import { BDF } from '../../devices.js';
import { bind, restore } from '../../support/binding.js';
import { groupName } from '../../support/sysfs.js';

for (const [device, has] of [
  ['edu', ['intx', 'msi']],
  ['testdev', []],
  ['nvme', ['express', 'intx', 'msix', 'power']],
  ['e1000e', ['express', 'intx', 'msi', 'msix', 'power']],
  ['ivshmem', []],
] as const) {
  describeConfigAnswers(`${device} on the real kernel`, has, async () => {
    const name = BDF[device];
    await bind(name);
    return { kernel: linuxKernel(), name, group: groupName(name), close: () => restore(name) };
  });
}
