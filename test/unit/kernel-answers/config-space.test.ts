import { SoftwareMachine } from '../../../lib/software/machine/software-machine.js';
import { describeConfigAnswers } from '../../contract/config-answers.js';

for (const [model, has] of [
  ['edu', ['intx', 'msi']],
  ['testdev', ['express', 'intx', 'msi', 'msix']],
] as const) {
  describeConfigAnswers(`${model} on the software core`, has, async () => {
    const machine = new SoftwareMachine();
    await machine.addDevice({ name: 'f000:00:04.0', group: 0, model });
    return { kernel: machine.process(), name: 'f000:00:04.0', group: '0', close: () => machine.close() };
  });
}
