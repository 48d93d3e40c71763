import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';

/** The limit of threads does not apply to root, so a child of root runs as the user `nobody`. */
export const NOT_ROOT = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};

/** Tells whether a child can run `script` as `NOT_ROOT` and change its own limit of threads. */
export function canLimitThreads(script: string): boolean {
  const read = spawnSync(process.execPath, ['-e', `fs.readFileSync(${JSON.stringify(script)})`], NOT_ROOT);
  return read.status === 0 && spawnSync('prlimit', ['--version']).status === 0;
}

/** Allows and forbids new threads in this process. Create it while threads are allowed: it starts a shell. */
export class ThreadLimit {
  readonly #shell = spawn('sh', { stdio: ['pipe', 'pipe', 'inherit'] });

  /** Applies to all threads and child processes that are started from now on. */
  async allow(allowed: boolean): Promise<void> {
    // The process has at least one thread, so it cannot start another one if its user may have one.
    this.#shell.stdin.write(`prlimit --pid ${process.pid} --nproc=${allowed ? 2048 : 1}:4096; echo\n`);
    await once(this.#shell.stdout, 'data');
  }

  /** Ends the shell. */
  close(): void {
    this.#shell.stdin.end();
  }
}
