import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { IDENT } from '../../lib/models/testdev/layout.js';

const CHILD = fileURLToPath(new URL('./no-proc-child.js', import.meta.url));
/** Runs a command with an empty folder for /proc, in mounts of its own. */
const WITHOUT_PROC = ['-rm', 'sh', '-c', 'mount -t tmpfs none /proc && exec "$@"', 'sh'];

describe('without /proc', function () {
  this.timeout(30_000);
  before(function () {
    if (spawnSync('unshare', [...WITHOUT_PROC, 'true']).status === 0) return;
    this.test!.parent!.title += ' (skipped: this user cannot mount over /proc)';
    this.skip();
  });

  it('devices are attached, and send interrupts', () => {
    const command = [...WITHOUT_PROC, process.execPath, CHILD];
    const { status, stdout, stderr } = spawnSync('unshare', command, { encoding: 'utf8', timeout: 25_000 });
    assert.equal(status, 0, stderr);
    const answers = { interrupts: 1, ident: IDENT };
    const expected = { proc: false, eventfds: [true, false, false, false, false], devices: [answers, answers] };
    assert.deepEqual(JSON.parse(stdout), expected);
  });
});
