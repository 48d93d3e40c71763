import { describeContract } from '../../../contract/suite.js';
import { BDF } from '../../devices.js';
import { linuxEngine } from '../../support/engine.js';
import { bind, restore, unbind } from '../../support/binding.js';

for (const backend of ['container', 'iommufd'] as const) {
  describeContract({
    name: `the real kernel by ${backend}`,
    capabilities: { backend, mapped: true, groups: backend === 'container', dirtyTracking: backend === 'container' },
    async open() {
      await bind(BDF.edu);
      await bind(BDF.eduWide);
      const engine = linuxEngine({ backend });
      return {
        engine,
        edu: BDF.edu,
        secondEdu: BDF.eduWide,
        unbind: () => unbind(BDF.edu),
        bind: () => bind(BDF.edu),
        close: async () => {
          await engine.close();
          await restore(BDF.edu);
          await restore(BDF.eduWide);
        },
      };
    },
  });
}
