import { Engine } from '../../lib/engine/engine.js';
import { SoftwareMachine } from '../../lib/software/machine/software-machine.js';
import { describeContract } from '../contract/suite.js';

for (const isolation of ['thread', 'process'] as const) {
  describeContract({
    name: `the software core, its models in a ${isolation}`,
    capabilities: { backend: 'container', mapped: false, groups: true, dirtyTracking: true },
    async open() {
      const machine = new SoftwareMachine();
      await machine.addDevice({ name: 'f000:00:04.0', group: 0, model: 'edu', placement: isolation });
      await machine.addDevice({ name: 'f000:00:05.0', group: 1, model: 'edu', placement: isolation });
      const engine = new Engine({ machine });
      return {
        engine,
        edu: 'f000:00:04.0',
        secondEdu: 'f000:00:05.0',
        unbind: () => machine.unbindDriver('f000:00:04.0'),
        bind: () => machine.bindDriver('f000:00:04.0', 'vfio-pci'),
        close: async () => {
          await engine.close();
          await machine.close();
        },
      };
    },
  });
}
