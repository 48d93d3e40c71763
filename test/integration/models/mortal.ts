import { BAR } from '../../../lib/models/testdev/layout.js';
import testdev from '../../../lib/models/testdev/testdev.js';
import type { PciModel } from '../../../lib/models/pci-model.js';
import { MORTAL_REG } from '../mortal-layout.js';

/** The ways in which the model ends itself, by the value that is written to MORTAL_REG.END. */
const ENDS: Readonly<Record<number, () => void>> = {
  1: () => process.exit(3),
  2: () =>
    void setTimeout(
      () =>
        ((): never => {
          throw new Error('the model is mortal');
        })(),
      0,
    ),
};

/** A testdev that can end: by a write to one of its registers, or by a signal to its process. */
const mortal: PciModel = {
  ...testdev,
  name: 'mortal',
  create(host, options) {
    const instance = testdev.create(host, options);
    return {
      read: (bar, offset, width) =>
        bar === BAR.REGISTERS && offset === MORTAL_REG.PID ? process.pid : instance.read(bar, offset, width),
      write(bar, offset, width, value) {
        if (bar === BAR.REGISTERS && offset === MORTAL_REG.END) ENDS[Number(value)]?.();
        else instance.write(bar, offset, width, value);
      },
      reset: () => instance.reset(),
    };
  },
};
export default mortal;
