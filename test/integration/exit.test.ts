import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CHILD = fileURLToPath(new URL('./exit-child.js', import.meta.url));
/** Long enough for the longest turn of a worker, and short for a test. */
const STAYS_MS = 1000;

/** Starts a program, and waits until its code has run. */
async function run(program: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [CHILD, program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [output] = (await once(child.stdout, 'data')) as [Buffer];
  assert.equal(output.toString(), 'end\n');
  return child;
}

describe('a program that closes nothing', function () {
  this.timeout(30_000);

  for (const [title, program] of Object.entries({
    'has only started a pool': 'pool',
    'has detached its device': 'detached',
    'has no device, because its attach failed': 'failed',
    'has detached its device after another attach failed': 'failedLate',
    'has run a driver function and detached its device': 'driver',
    'has an attached device, which it has released by unref()': 'unref',
  })) {
    it(`exits by itself, if it ${title}`, async () => {
      const child = await run(program);
      const [code, signal] = child.exitCode === null ? ((await once(child, 'exit')) as unknown[]) : [child.exitCode];
      assert.deepEqual([code, signal ?? null], [0, null]);
    });
  }

  for (const [title, program] of Object.entries({
    'has an attached device, as with an open socket': 'attached',
    'has an attached device after unref() and ref()': 'ref',
    'waits for an interrupt': 'next',
    'has a handler of an interrupt': 'handler',
    'serves a model': 'serve',
  })) {
    it(`stays, if it ${title}`, async () => {
      const child = await run(program);
      const exited = once(child, 'exit');
      const first = await Promise.race([exited, new Promise((resolve) => setTimeout(resolve, STAYS_MS, 'stays'))]);
      child.kill('SIGKILL');
      await exited;
      rmSync(join(tmpdir(), `vfio-exit-${child.pid}.sock`), { force: true });
      assert.equal(first, 'stays');
    });
  }
});
