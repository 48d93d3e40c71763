import { linuxKernel } from '../../../../lib/kernel/linux/linux.js';
import { describeCloseRaces } from '../../../contract/close-races.js';
import { BDF } from '../../devices.js';
import { bind, restore } from '../../support/binding.js';
import { groupName } from '../../support/sysfs.js';

describe('a call of the real kernel', () => {
  before(() => bind(BDF.edu));
  after(() => restore(BDF.edu));

  // Opening the group anew shows that nothing holds it.
  describeCloseRaces(
    () => ({ kernel: linuxKernel(), name: BDF.edu, group: groupName(BDF.edu) }),
    () => Promise.resolve(),
  );
});
