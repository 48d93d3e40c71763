import { describeFaults } from '../../../contract/faults.js';
import { BDF } from '../../devices.js';
import { bind, restore } from '../../support/binding.js';
import { linuxEngine } from '../../support/engine.js';

for (const backend of ['container', 'iommufd'] as const) {
  describeFaults({
    name: `the real kernel by ${backend}`,
    map: backend === 'container' ? { call: 'mapDma', limit: 'ENOSPC' } : { call: 'mapIoas', limit: 'ENOMEM' },
    open: backend === 'container' ? 'openGroup' : 'openCdev',
    edu: BDF.edu,
    async engine(faults) {
      await bind(BDF.edu);
      return linuxEngine({ backend, faults });
    },
    close: () => restore(BDF.edu),
  });
}
