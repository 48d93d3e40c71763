import { Engine } from '../../lib/engine/engine.js';
import { SoftwareMachine } from '../../lib/software/machine/software-machine.js';
import { describeFaults } from '../contract/faults.js';

const EDU = 'f000:00:04.0';

for (const placement of ['thread', 'process'] as const) {
  const machine = new SoftwareMachine();
  const added = machine.addDevice({ name: EDU, model: 'edu', placement });
  describeFaults({
    name: `the software core, its model in a ${placement}`,
    map: { call: 'mapDma', limit: 'ENOSPC' },
    open: 'openGroup',
    edu: EDU,
    async engine(faults) {
      await added;
      return new Engine({ machine, backend: 'container', faults });
    },
    close: () => machine.close(),
  });
}
