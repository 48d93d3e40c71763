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

const WAYS = [
  { where: 'its models in a thread', placement: 'thread', faults: undefined },
  { where: 'its models in a process', placement: 'process', faults: undefined },
  { where: 'behind a fault plan', placement: 'thread', faults: idlePlan() },
] as const;

for (const backend of ['container', 'iommufd'] as const) {
  for (const { where, placement, faults } of WAYS) {
    describeContract({
      name: `the software core by ${backend}, ${where}`,
      capabilities: { backend, mapped: false, groups: backend === 'container', dirtyTracking: true },
      async open() {
        const machine = new SoftwareMachine();
        await machine.addDevice({ name: 'f000:00:04.0', group: 0, model: 'edu', placement });
        await machine.addDevice({ name: 'f000:00:05.0', group: 1, model: 'edu', placement });
        const engine = new Engine(faults === undefined ? { machine, backend } : { machine, backend, faults });
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
}
