import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const CHILD = fileURLToPath(new URL('./no-threads-child.js', import.meta.url));
/** The limit of threads does not hold for root: the child is nobody there. */
const NOBODY = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};

describe('where no thread can be made', function () {
  this.timeout(30_000);
  const noThread = ['EAGAIN', 'pthread_create'];

  before(function () {
    const read = spawnSync(process.execPath, ['-e', `fs.readFileSync(${JSON.stringify(CHILD)})`], NOBODY);
    const limit = spawnSync('prlimit', ['--version']);
    if (read.status === 0 && limit.status === 0) return;
    this.test!.parent!.title += ' (skipped: nobody may read this folder, or there is no prlimit)';
    this.skip();
  });

  const cases = {
    cpus: [noThread],
    start: [noThread],
    replace: ['done'],
    giveUp: [['ERR_WORKER_DIED', '']],
    driver: [noThread, 'TypeError: of the driver'],
  };
  for (const [mode, expected] of Object.entries(cases)) {
    it(`a typed error says so, and the process lives: ${mode}`, () => {
      const { stdout, stderr, signal } = spawnSync(process.execPath, [CHILD, mode], { ...NOBODY, encoding: 'utf8' });
      assert.equal(signal, null, stderr);
      assert.deepEqual(JSON.parse(stdout || JSON.stringify(stderr)), expected);
    });
  }
});
