import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';

import { systemError, VfioError } from '../base/errors.js';
import { withPermission } from '../base/permission.js';
import type { ErrnoName } from '../uapi/errno.js';

/** The errno of each error text of the C library that a write to /sys can end with. */
const ERRNO_OF_TEXT: Readonly<Record<string, ErrnoName>> = {
  'No such file or directory': 'ENOENT',
  'Permission denied': 'EACCES',
  'Operation not permitted': 'EPERM',
  'Read-only file system': 'EROFS',
  'No such device': 'ENODEV',
  'Invalid argument': 'EINVAL',
  'Device or resource busy': 'EBUSY',
  'Cannot allocate memory': 'ENOMEM',
  'File exists': 'EEXIST',
};

/**
 * Writes to a file from a child process, tee(1). A write that blocks in the kernel would otherwise keep one of the few threads
 * of libuv's pool, and this process could not exit.
 * @param timeoutMs 0 to 2,147,483,647
 * @throws the errno of the write; ERR_TIMEOUT after `timeoutMs`. The child then stays behind and ends with the write
 */
export function writeInChild(path: string, data: string, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawnTee(path);
    let complaint = '';
    child.stderr.setEncoding('latin1').on('data', (text: string) => (complaint += text));
    // If tee ends early, its exit code reports it.
    child.stdin.on('error', () => undefined).end(data);
    const timer = setTimeout(() => {
      child.removeAllListeners().unref();
      child.stderr.destroy();
      reject(new VfioError(`writing '${path}' did not end within ${timeoutMs} ms`, { code: 'ERR_TIMEOUT', path }));
    }, timeoutMs);
    child.on('error', (cause) => {
      clearTimeout(timer);
      reject(new VfioError(`no child process could be started to write '${path}'`, { code: 'EIO', path, cause }));
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      if (code === 0) resolve();
      else reject(failure(path, complaint.trim()));
    });
  });
}

/** @throws ERR_NOT_SUPPORTED if Node.js may not start a process */
function spawnTee(path: string): ChildProcessByStdio<Writable, null, Readable> {
  try {
    return spawn('tee', ['--', path], { stdio: ['pipe', 'ignore', 'pipe'], env: { ...process.env, LC_ALL: 'C' } });
  } catch (error) {
    throw withPermission(error);
  }
}

/** Makes the error of a failed write. @param complaint the output of tee: `tee: PATH: No such device` */
function failure(path: string, complaint: string): VfioError {
  const text = complaint.slice(complaint.lastIndexOf(': ') + 2);
  const code = ERRNO_OF_TEXT[text];
  if (code !== undefined) return systemError(code, 'write', { path });
  return systemError('EIO', 'write', { path, cause: new Error(complaint) });
}
