import assert from 'node:assert/strict';

import { CommanderError } from 'commander';

import { reportFailure } from '../../../lib/cli/failure-report.js';
import { emptyTally, makeReport, verdictOf, type Tally } from '../../../lib/cli/run/report.js';
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

  it('escapes what would command the terminal, or look like another line', () => {
    const error = systemError('ENODEV', 'attach', { device: 'a\x1b[31m\x9b\nhint: no\u202e', hint: 'see\r' });
    assert.deepEqual(reported(error), [
      "error: ENODEV: attach 'a\\u001b[31m\\u009b\\nhint: no\\u202e'\nhint: see\\u000d\n",
      1,
    ]);
    assert.deepEqual(reported(new Error('a\nb\x07')), ['error: a\\nb\\u0007\n', 1]);
    assert.doesNotMatch(reported(error, true)[0], /[^\P{Cc}\n]|\u202e/u);
  });

  it("tells the option of Node.js's permission model that allows what was denied", () => {
    const denied = (permission: string, resource = ''): Error =>
      Object.assign(new Error('Access to this API has been restricted'), {
        code: 'ERR_ACCESS_DENIED',
        permission,
        resource,
      });
    const start = 'error: the permission model of Node.js does not allow the process to';
    assert.deepEqual(reported(denied('WorkerThreads')), [
      `${start} start a thread\nhint: give node --allow-worker\n`,
      1,
    ]);
    assert.deepEqual(reported(denied('FileSystemRead', '/sys')), [
      `${start} read '/sys'\nhint: give node --allow-fs-read=/sys\n`,
      1,
    ]);
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

  const WORK = ['mapped accesses', 'trapped accesses', 'DMA', 'interrupts'] as const;
  const offered = new Set<(typeof WORK)[number]>(WORK);
  const whole = {
    mapped: 1,
    trapped: 1,
    dmaBytes: 4096,
    dmaVerified: true,
    interruptsRaised: 3,
    interruptsReceived: 3,
    offered,
  };
  const judged = (fields: Partial<Tally>) => {
    const made = report({ ...whole, ...fields });
    return [verdictOf(made), made.verified];
  };

  it('is verified only without errors, wrong bytes and lost or extra interrupts', () => {
    assert.deepEqual(judged({}), ['verified', true]);
    assert.deepEqual(judged({ errors: 1 }), ['wrong', false]);
    assert.deepEqual(judged({ dmaVerified: false }), ['wrong', false]);
    assert.deepEqual(judged({ interruptsReceived: 2 }), ['wrong', false]);
    assert.deepEqual(judged({ interruptsReceived: 4 }), ['wrong', false]);
  });

  it('is verified only if work of each kind was done', () => {
    assert.deepEqual(judged({ mapped: 0 }), ['undone', false]);
    assert.deepEqual(judged({ trapped: 0 }), ['undone', false]);
    assert.deepEqual(judged({ dmaBytes: 0, dmaVerified: undefined }), ['undone', false]);
    assert.deepEqual(judged({ interruptsRaised: 0, interruptsReceived: 0 }), ['undone', false]);
    const none = report({ offered: new Set() });
    assert.deepEqual([verdictOf(none), none.verified, none.undone, none.notOffered], ['undone', false, [], [...WORK]]);
  });

  it('does not ask for work that no device offers, and names it', () => {
    const made = report({ ...whole, mapped: 0, offered: new Set(WORK.slice(1)) });
    assert.deepEqual(
      [verdictOf(made), made.verified, made.undone, made.notOffered],
      ['verified', false, [], ['mapped accesses']],
    );
  });
});

describe('command: progress', () => {
  it('writes nothing if the stream is not a terminal', () => {
    const written: string[] = [];
    const stream = { isTTY: false, columns: 80, write: (text: string) => written.push(text) };
    showProgress(emptyTally(), stream as unknown as NodeJS.WriteStream)();
    assert.deepEqual(written, []);
  });

  it('writes nothing to a terminal that cannot erase a line', async () => {
    const written: string[] = [];
    const stream = { isTTY: true, columns: 80, write: (text: string) => written.push(text) };
    const stop = showProgress(emptyTally(), stream as unknown as NodeJS.WriteStream, 'dumb');
    await new Promise((resolve) => setTimeout(resolve, 300));
    stop();
    assert.deepEqual(written, []);
  });

  it('redraws one line, no wider than the terminal, and clears it', async () => {
    const written: string[] = [];
    const stream = { isTTY: true, columns: 30, write: (text: string) => written.push(text) };
    const stop = showProgress({ ...emptyTally(), mapped: 1_234_567 }, stream as unknown as NodeJS.WriteStream, 'xterm');
    for (let waited = 0; written.length === 0 && waited < 100; waited++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    stop();
    assert.ok(written[0]?.startsWith('\r\x1b[Kmapped 1.2 M  trapped'));
    assert.equal(written[0]?.length, '\r\x1b[K'.length + 29);
    assert.equal(written.at(-1), '\r\x1b[K');
  });
});
