import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { ExhaustionRound } from '../support/exhaustion.js';
import { FailingCalls } from '../support/failing-calls.js';
import { type Built, buildFailCalls } from '../support/own-memory.js';

const CHILD = fileURLToPath(new URL('./exhaustion-child.js', import.meta.url));
const FIRST_ATTACH = fileURLToPath(new URL('./first-attach-child.js', import.meta.url));
const FIRST_LOAD = fileURLToPath(new URL('./first-load-child.js', import.meta.url));
const LOST_DESCRIPTORS = fileURLToPath(new URL('./lost-descriptors-child.js', import.meta.url));
/** More than a process of Node.js has open at its start, and few enough to fill quickly. */
const LIMIT = '128';
const SUBJECTS = {
  'the start of a pool': 'pool',
  'the attach of a device whose model runs in a thread': 'thread',
  'the attach of a device whose model runs in a process': 'process',
};
/** The calls that are made to fail. */
const CALLS = {
  pool: ['eventfd', 'mmap', 'pthread_create'],
  thread: ['eventfd', 'fcntl', 'ftruncate', 'memfd_create', 'mmap', 'pthread_create', 'socketpair'],
};
/** What is brought up while memory runs out, and the distance of the allocations that fail: all of the first two take minutes. */
const ALLOCATIONS = { process: 23, thread: 8, threads: 1, access: 1, 'vfio-user': 1 };
const STEP = process.env['EXHAUSTION_STEP'];
/** Without one of these, an attach works: the region is trapped, or the device is not detached when its driver is unbound. */
const DISPENSABLE = ['mmap', 'eventfd', 'fcntl'];

/** Runs a child in which something runs out. It checks that nothing stays open, and that the next attach works. */
function rounds(command: readonly string[], env: NodeJS.ProcessEnv = {}): ExhaustionRound[] {
  const [program = '', ...args] = command;
  const options = { encoding: 'utf8', env: { ...process.env, ...env }, timeout: 110_000 } as const;
  const { status, stdout, stderr } = spawnSync(program, args, options);
  assert.equal(status, 0, `${stdout.slice(-500)}\n${stderr}`);
  const lines = stdout.trim().split('\n');
  return lines.map((line) => JSON.parse(line) as ExhaustionRound);
}

const limited = (...args: string[]): string[] => ['prlimit', `--nofile=${LIMIT}:${LIMIT}`, process.execPath, ...args];

/** Every attach that fails lets the next one work, and leaves nothing open. The first error is the true one. */
describe('while something runs out', function () {
  this.timeout(120_000);

  for (const [title, subject] of Object.entries(SUBJECTS)) {
    it(`answers EMFILE for every count of free descriptors: ${title}`, () => {
      const all = rounds(limited(CHILD, 'descriptors', subject));
      const failed = all.slice(0, -1);
      assert.ok(failed.length > 4, `only ${failed.length} counts failed`);
      for (const { left, error } of failed) assert.match(error ?? '', /^EMFILE: /, `${left} free descriptors`);
      assert.equal(all.at(-1)?.error, undefined);
    });
  }

  it('an attach works the second time, if the first one could not even load its modules', () => {
    for (const left of [0, 1, 3, 9]) {
      const [first, second] = rounds(limited(FIRST_ATTACH, String(left)));
      assert.match(first?.error ?? '', /^EMFILE: /, `${left} free descriptors`);
      assert.equal(second?.error, undefined);
    }
  });

  it('a message arrives whole, and tells that its descriptors are lost', () => {
    const [program = '', ...args] = limited(LOST_DESCRIPTORS);
    const { stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: 60_000 });
    const arrived = [
      { length: 36, count: 1, lost: true },
      { length: 36, count: 2, lost: false },
    ];
    assert.equal(stdout, `${JSON.stringify(arrived)}\n`, stderr);
  });

  describe('by a call of the addon that fails', () => {
    let library: Built;
    let folder: string;
    before(() => {
      library = buildFailCalls();
      folder = mkdtempSync(join(tmpdir(), 'vfio-engine-calls-'));
    });
    after(() => {
      library?.remove();
      if (folder !== undefined) rmSync(folder, { recursive: true });
    });

    for (const subject of ['pool', 'thread'] as const) {
      it(`tells the errno, for every descriptor, mapping and thread in turn: ${subject}`, () => {
        const control = join(folder, 'control');
        FailingCalls.prepare(control);
        const env = { FAIL_CALLS: control, LD_PRELOAD: library.path };
        const all = rounds([process.execPath, CHILD, 'calls', subject], env);
        for (const { left, failed, error } of all.slice(0, -1)) {
          if (error !== undefined) assert.match(error, /^ENOMEM: /, `call ${left}, ${failed}`);
          else assert.ok(DISPENSABLE.includes(failed), `it worked without ${failed}, call ${left}`);
        }
        const names = new Set(all.map(({ failed }) => failed));
        assert.deepEqual([...names].sort(), ['', ...CALLS[subject]]);
      });
    }

    it('tells ENOMEM, and no other reason, for each allocation of the first loading of the addon', () => {
      const control = join(folder, 'control');
      const env = { FAIL_CALLS: control, LD_PRELOAD: library.path };
      for (let left = 0; ; left++) {
        FailingCalls.prepare(control);
        const [round] = rounds([process.execPath, FIRST_LOAD, String(left)], env);
        assert.equal(round?.error, round?.failed === '' ? undefined : 'ENOMEM: malloc', `allocation ${left}`);
        if (round?.failed !== '') continue;
        assert.ok(left > 0, 'it allocates');
        break;
      }
    });

    for (const [subject, step] of Object.entries(ALLOCATIONS)) {
      it(`tells ENOMEM, or works, for allocations of the addon: ${subject}`, () => {
        const control = join(folder, 'control');
        FailingCalls.prepare(control);
        const env = { FAIL_CALLS: control, LD_PRELOAD: library.path };
        const all = rounds([process.execPath, CHILD, 'allocations', subject, STEP ?? String(step)], env);
        const failed = all.filter(({ error }) => error !== undefined);
        for (const { left, error } of failed) assert.match(error ?? '', /^ENOMEM: /, `allocation ${left}`);
        assert.ok(failed.length >= 4, `only ${failed.length} of ${all.length} failed`);
      });
    }
  });
});
