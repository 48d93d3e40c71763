import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { canLimitThreads, NOT_ROOT } from '../support/thread-limit.js';

const CHILD = fileURLToPath(new URL('./no-threads-child.js', import.meta.url));

describe('a pool while no thread can be started', function () {
  this.timeout(30_000);
  const noThread = ['EAGAIN', 'pthread_create'];

  before(function () {
    if (canLimitThreads(CHILD)) return;
    this.test!.parent!.title += ' (skipped: user nobody cannot read this folder, or prlimit is missing)';
    this.skip();
  });

  const cases = {
    cpus: [noThread],
    start: [noThread],
    replace: ['done'],
    giveUp: [['ERR_WORKER_DIED', '']],
    driver: [noThread, 'TypeError: of the driver'],
  };
  for (const [name, expected] of Object.entries(cases)) {
    it(`answers with a typed error, and the process lives: ${name}`, () => {
      const { stdout, stderr, signal } = spawnSync(process.execPath, [CHILD, name], { ...NOT_ROOT, encoding: 'utf8' });
      assert.equal(signal, null, stderr);
      assert.deepEqual(JSON.parse(stdout || JSON.stringify(stderr)), expected);
    });
  }
});
