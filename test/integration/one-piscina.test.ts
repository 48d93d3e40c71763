import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { canLimitThreads, NOT_ROOT } from '../support/thread-limit.js';

const CHILD = fileURLToPath(new URL('./one-piscina-child.js', import.meta.url));

/** Why `lib/pool` has a Piscina for each thread; see its README.md. */
describe('a thread that ends before it is ready, while no thread can be started', function () {
  this.timeout(30_000);
  let folder: string;
  before(function () {
    if (!canLimitThreads(CHILD)) {
      this.test!.parent!.title += ' (skipped: user nobody cannot read this folder, or prlimit is missing)';
      this.skip();
    }
    folder = mkdtempSync(join(tmpdir(), 'vfio-piscina-'));
    chmodSync(folder, 0o777);
  });
  after(() => {
    if (folder !== undefined) rmSync(folder, { recursive: true });
  });

  function run(runner: string): { status: number | null; stdout: string; stderr: string } {
    const gate = join(folder, runner);
    return spawnSync(process.execPath, [CHILD, runner, gate], { ...NOT_ROOT, encoding: 'utf8', timeout: 20_000 });
  }

  it('ends the process, if one Piscina has both threads', () => {
    const { status, stdout, stderr } = run('piscina');
    assert.equal(status, 1, stderr);
    assert.match(stderr, /ERR_WORKER_INIT_FAILED/);
    // The thread is started from an event of the other thread, where no caller can catch the error.
    assert.match(stderr, /_addNewWorker[^]*_onWorkerReady/);
    assert.equal(stdout, '');
  });

  it('fails its own task alone, if each thread has a Piscina', () => {
    const { status, stdout, stderr } = run('task-threads');
    assert.equal(status, 0, stderr);
    const [first, second] = JSON.parse(stdout) as [string, string];
    assert.equal(first, 'done');
    assert.match(second, /^Error: the thread exited with code [01]$/);
  });
});
