import assert from 'node:assert/strict';

import { CommanderError } from 'commander';

import { reportFailure } from '../../../lib/cli/failure-report.js';
import { emptyTally, isVerified, makeReport, type Tally } from '../../../lib/cli/run/report.js';
import { showProgress } from '../../../lib/cli/run/progress.js';
import { systemError, VfioError } from '../../../lib/base/errors.js';

/** Returns the output for a failure, and the exit code. */
function reported(error: unknown, verbose = false): [string, number] {
  let text = '';
  const code = reportFailure(error, verbose, (chunk) => (text += chunk));
  return [text, code];
}

describe('command: how a failure is reported', () => {
  const error = systemError('EBUSY', 'open', { path: '/dev/vfio/26', hint: 'close it there', cause: new Error('why') });

  it('prints the message and the hint, without a stack', () => {
    assert.deepEqual(reported(error), ["error: EBUSY: open '/dev/vfio/26'\nhint: close it there\n", 1]);
  });

  it('prints the stack and the causes with --verbose', () => {
    const [text, code] = reported(error, true);
    assert.match(text, /EBUSY[\s\S]*\n {4}at [\s\S]*caused by: Error: why\n {4}at /);
    assert.equal(code, 1);
  });

  it('prints nothing if commander has printed its message, and takes help for success', () => {
    assert.deepEqual(reported(new CommanderError(1, 'commander.unknownCommand', 'no')), ['', 2]);
    assert.deepEqual(reported(new CommanderError(0, 'commander.helpDisplayed', 'help')), ['', 0]);
  });

  it('prints errors of other classes, and values that are not errors', () => {
    assert.deepEqual(reported(new TypeError('oh')), ['error: oh\n', 1]);
    assert.deepEqual(reported('oh'), ['error: oh\n', 1]);
    assert.deepEqual(reported(new VfioError('plain', { code: 'ERR_CLOSED' })), ['error: plain\n', 1]);
  });
});

describe('command: the report of a run', () => {
  const delay = { p50: 1, p99: 2, max: 3 };
  const facts = { device: 'edu', backend: 'container', workers: 2, seconds: 2, idle: delay, busy: delay };
  const report = (fields: Partial<Tally>) => makeReport({ ...emptyTally(), ...fields }, facts);

  it('divides the counts by the working time', () => {
    const { mapped, dma } = report({ mapped: 10, dmaBytes: 4096, dmaVerified: true });
    assert.deepEqual(
      [mapped, dma],
      [
        { operations: 10, perSecond: 5 },
        { bytes: 4096, perSecond: 2048, verified: true },
      ],
    );
  });

  it('is verified only without errors, wrong bytes and lost or extra interrupts', () => {
    assert.equal(isVerified(report({ interruptsRaised: 3, interruptsReceived: 3, dmaVerified: true })), true);
    assert.equal(isVerified(report({})), true);
    assert.equal(isVerified(report({ errors: 1 })), false);
    assert.equal(isVerified(report({ dmaVerified: false })), false);
    assert.equal(isVerified(report({ interruptsRaised: 3, interruptsReceived: 2 })), false);
    assert.equal(isVerified(report({ interruptsRaised: 2, interruptsReceived: 3 })), false);
  });
});

describe('command: progress', () => {
  it('writes nothing if the stream is not a terminal', () => {
    const written: string[] = [];
    const stream = { isTTY: false, columns: 80, write: (text: string) => written.push(text) };
    showProgress(emptyTally(), stream as unknown as NodeJS.WriteStream)();
    assert.deepEqual(written, []);
  });

  it('redraws one line, no wider than the terminal, and clears it', async () => {
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
