import assert from 'node:assert/strict';

import { VfioError } from '../../lib/base/errors.js';
import { addon } from '../../lib/native/addon.js';
import { createDefaultMachine } from '../../lib/software/machine/default-machine.js';
import type { SoftwareMachine } from '../../lib/software/machine/software-machine.js';
import type { SoftwareProcess } from '../../lib/software/machine/software-process.js';
import { answer, describeCloseRaces, openFiles, RACED_CALLS } from '../contract/close-races.js';

const EDU = { name: 'f000:00:04.0', group: '0' };

describe('a call of the software core', () => {
  let machine: SoftwareMachine;
  let kernel: SoftwareProcess;

  before(async () => {
    machine = await createDefaultMachine();
    kernel = machine.process();
  });
  after(() => machine.close());

  const nothingOpen = (): Promise<void> => {
    assert.equal(machine.descriptorNumbers.count, 0, 'descriptors');
    assert.equal(machine.containerCount, 0, 'containers');
    return Promise.resolve();
  };
  describeCloseRaces(() => ({ kernel, ...EDU }), nothingOpen);

  describe('while its process ends', () => {
    for (const [title, raced] of Object.entries(RACED_CALLS)) {
      it(`${title} returns first, and nothing stays open`, async () => {
        const ending = machine.process();
        const files = await openFiles({ kernel: ending, ...EDU }, raced.after);
        const calling = answer(raced, ending, files, EDU.name);
        await ending.exit();
        await calling;
        addon.closeFdSync(files.eventfd);
        await nothingOpen();
      });
    }

    for (const [title, open] of Object.entries({
      openContainer: (process: SoftwareProcess) => process.openContainer(),
      openGroup: (process: SoftwareProcess) => process.openGroup(EDU.group),
    })) {
      it(`${title} returns first; a call of an ended process fails with ESRCH`, async () => {
        const ending = machine.process();
        const opening = open(ending);
        await ending.exit();
        assert.equal(typeof (await opening), 'number');
        await nothingOpen();
        await assert.rejects(open(ending), (error: unknown) => error instanceof VfioError && error.code === 'ESRCH');
        await nothingOpen();
      });
    }
  });
});
