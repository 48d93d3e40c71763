import assert from 'node:assert/strict';

import { CommanderError } from 'commander';

import { reportFailure } from '../../../lib/cli/failure-report.js';
import { emptyTally, isVerified, makeReport, type Tally } from '../../../lib/cli/run/report.js';
import { showProgress } from '../../../lib/cli/run/progress.js';
import { systemError, VfioError } from '../../../lib/base/errors.js';

/** What is told of a failure, and the exit code. */
function told(error: unknown, verbose = false): [string, number] {
  let text = '';
  const code = reportFailure(error, verbose, (chunk) => (text += chunk));
  return [text, code];
}

describe('command: how a failure is told', () => {
  const error = systemError('EBUSY', 'open', { path: '/dev/vfio/26', hint: 'close it there', cause: new Error('why') });

  it('is the message and the hint, without a stack', () => {
    assert.deepEqual(told(error), ["error: EBUSY: open '/dev/vfio/26'\nhint: close it there\n", 1]);
  });

  it('has the stack and the causes when asked for', () => {
    const [text, code] = told(error, true);
    assert.match(text, /EBUSY[\s\S]*\n {4}at [\s\S]*caused by: Error: why\n {4}at /);
    assert.equal(code, 1);
  });

  it('is told once where commander has told it, and help is none', () => {
    assert.deepEqual(told(new CommanderError(1, 'commander.unknownCommand', 'no')), ['', 2]);
    assert.deepEqual(told(new CommanderError(0, 'commander.helpDisplayed', 'help')), ['', 0]);
  });

  it('takes what is no error of ours, and what is no error', () => {
    assert.deepEqual(told(new TypeError('oh')), ['error: oh\n', 1]);
    assert.deepEqual(told('oh'), ['error: oh\n', 1]);
    assert.deepEqual(told(new VfioError('plain', { code: 'ERR_CLOSED' })), ['error: plain\n', 1]);
  });
});

describe("command: the run's report", () => {
  const delay = { p50: 1, p99: 2, max: 3 };
  const facts = { device: 'edu', backend: 'container', workers: 2, seconds: 2, idle: delay, busy: delay };
  const report = (fields: Partial<Tally>) => makeReport({ ...emptyTally(), ...fields }, facts);

  it('gives rates by the time that was worked', () => {
    const { mapped, dma } = report({ mapped: 10, dmaBytes: 4096, dmaVerified: true });
    assert.deepEqual(
      [mapped, dma],
      [
        { operations: 10, perSecond: 5 },
        { bytes: 4096, perSecond: 2048, verified: true },
      ],
    );
  });

  it('is verified only without errors, wrong bytes and lost or doubled interrupts', () => {
    assert.equal(isVerified(report({ interruptsRaised: 3, interruptsReceived: 3, dmaVerified: true })), true);
    assert.equal(isVerified(report({})), true);
    assert.equal(isVerified(report({ errors: 1 })), false);
    assert.equal(isVerified(report({ dmaVerified: false })), false);
    assert.equal(isVerified(report({ interruptsRaised: 3, interruptsReceived: 2 })), false);
    assert.equal(isVerified(report({ interruptsRaised: 2, interruptsReceived: 3 })), false);
  });
});

describe('command: progress', () => {
  it('writes nothing where there is no terminal', () => {
    const written: string[] = [];
    const stream = { isTTY: false, columns: 80, write: (text: string) => written.push(text) };
    showProgress(emptyTally(), stream as unknown as NodeJS.WriteStream)();
    assert.deepEqual(written, []);
  });

  it('draws one line over itself, no wider than the terminal, and clears it', async () => {
    const written: string[] = [];
    const stream = { isTTY: true, columns: 30, write: (text: string) => written.push(text) };
    const stop = showProgress({ ...emptyTally(), mapped: 1_234_567 }, stream as unknown as NodeJS.WriteStream);
    for (let waited = 0; written.length === 0 && waited < 100; waited++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    stop();
    assert.ok(written[0]?.startsWith('\r\x1b[Kmapped 1.2 M  trapped'));
    assert.equal(written[0]?.length, '\r\x1b[K'.length + 29);
    assert.equal(written.at(-1), '\r\x1b[K');
  });
});
