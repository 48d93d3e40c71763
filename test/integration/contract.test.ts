import { Engine } from '../../lib/engine/engine.js';
import { FaultPlan } from '../../lib/faults/fault-plan.js';
import { SoftwareMachine } from '../../lib/software/machine/software-machine.js';
import { describeContract } from '../contract/suite.js';

const NEVER = Number.MAX_SAFE_INTEGER;

/** Returns a plan that all accesses and interrupts pass through, and that injects nothing. */
function idlePlan(): FaultPlan {
  return new FaultPlan({
    seed: 1,
    faults: [
      { kind: 'removal', at: NEVER },
      { kind: 'irq-lost', at: NEVER },
    ],
  });
}

for (const { where, placement, faults } of [
  { where: 'its models in a thread', placement: 'thread', faults: undefined },
  { where: 'its models in a process', placement: 'process', faults: undefined },
  { where: 'behind a fault plan', placement: 'thread', faults: idlePlan() },
] as const) {
  describeContract({
    name: `the software core, ${where}`,
    capabilities: { backend: 'container', mapped: false, groups: true, dirtyTracking: true },
    async open() {
      const machine = new SoftwareMachine();
      await machine.addDevice({ name: 'f000:00:04.0', group: 0, model: 'edu', placement });
      await machine.addDevice({ name: 'f000:00:05.0', group: 1, model: 'edu', placement });
      const engine = new Engine(faults === undefined ? { machine } : { machine, faults });
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
