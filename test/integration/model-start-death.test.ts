import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

import { Engine } from '../../lib/engine/engine.js';
import { SoftwareMachine } from '../../lib/software/machine/software-machine.js';
import { modelProcesses } from '../support/model-processes.js';
import { eventually } from '../support/open-fds.js';

const TESTDEV = 'f000:00:05.0';

function killModels(): void {
  for (const pid of modelProcesses()) process.kill(pid, 'SIGKILL');
}

describe('a model whose process is killed while it starts again', function () {
  this.timeout(60_000);
  let machine: SoftwareMachine;
  let engine: Engine;
  before(async () => {
    machine = new SoftwareMachine();
    await machine.addDevice({ name: TESTDEV, model: 'testdev', placement: 'process' });
    engine = new Engine({ machine, backend: 'container' });
  });
  after(async () => {
    await engine.close();
    await machine.close();
  });

  /** Attaches, and kills the model as soon as it has a process. @returns the error of the attach */
  async function attachAndKill(): Promise<Error | undefined> {
    let settled = false;
    const attaching = engine.attach(TESTDEV).then(
      () => undefined,
      (reason: unknown) => reason as Error,
    );
    void attaching.finally(() => (settled = true));
    while (modelProcesses().length === 0 && !settled) await sleep(1);
    killModels();
    return attaching;
  }

  it('leaves no container, and the next attach works', async () => {
    await (await engine.attach(TESTDEV)).detach();
    killModels();
    await eventually(() => modelProcesses().length === 0, 'the end of the model');
    let error: Error | undefined;
    // The first attach may still find the connection of the dead model.
    for (let tries = 0; tries < 10 && !String(error).includes('SIGKILL'); tries++) error = await attachAndKill();
    assert.match(String(error), /the model's process was ended by SIGKILL/);
    assert.equal(error?.cause, undefined);
    assert.equal(machine.containerCount, 0);
    await (await engine.attach(TESTDEV)).detach();
  });
});
