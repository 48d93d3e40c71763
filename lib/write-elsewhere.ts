import { spawn } from 'node:child_process';

import { systemError, VfioError } from './errors.js';
import { isErrnoName } from './uapi/errno.js';

/** Writes argument 2 to the file of argument 1 and prints the code of what went wrong. */
const SCRIPT =
  'try { require("fs").writeFileSync(process.argv[1], process.argv[2]) } ' +
  'catch (error) { process.stdout.write(error.code ?? String(error)); process.exitCode = 1 }';

/**
 * Writes to a file from a process of its own. A write that the kernel lets sleep without end would hold this process too:
 * one of the few threads of its event loop, for which even its exit waits.
 * @throws the errno of the write; ERR_TIMEOUT after `timeoutMs`: the process is then left to the kernel, and ends with the
 *   write
 */
export function writeElsewhere(path: string, data: string, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['-e', SCRIPT, path, data], { stdio: ['ignore', 'pipe', 'ignore'] });
    let answer = '';
    child.stdout.setEncoding('latin1').on('data', (text: string) => (answer += text));
    const timer = setTimeout(() => {
      child.removeAllListeners().unref();
      child.stdout.destroy();
      reject(new VfioError(`writing '${path}' was not done after ${timeoutMs} ms`, { code: 'ERR_TIMEOUT', path }));
    }, timeoutMs);
    child.on('error', (cause) => {
      clearTimeout(timer);
      reject(new VfioError(`no process could be started to write '${path}'`, { code: 'EIO', path, cause }));
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      if (code === 0) resolve();
      else reject(systemError(isErrnoName(answer) ? answer : 'EIO', 'write', { path }));
    });
  });
}
