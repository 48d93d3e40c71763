import { VfioError } from './errors.js';

/** What Node.js's permission model can deny: the `permission` of its error, in words, and the option that allows it. */
const PERMISSIONS: Readonly<Record<string, readonly [action: string, option: string]>> = {
  WorkerThreads: ['start a thread', '--allow-worker'],
  ChildProcess: ['start a process', '--allow-child-process'],
  FileSystemRead: ['read', '--allow-fs-read'],
  FileSystemWrite: ['write', '--allow-fs-write'],
};

/**
 * Makes the error of something that Node.js's permission model denied. Other errors are returned as they are.
 * Source: `ERR_ACCESS_DENIED` of Node.js 20 and later.
 */
export function withPermission(error: unknown): unknown {
  const { code, permission, resource } = (error ?? {}) as { code?: unknown; permission?: unknown; resource?: unknown };
  if (code !== 'ERR_ACCESS_DENIED') return error;
  const [action, option] = PERMISSIONS[String(permission)] ?? ['do this', 'the permission'];
  const path = typeof resource === 'string' && resource !== '' ? resource : undefined;
  const object = path === undefined ? '' : ` '${path}'`;
  return new VfioError(`the permission model of Node.js does not allow the process to ${action}${object}`, {
    code: 'ERR_NOT_SUPPORTED',
    hint: `give node ${option}${path === undefined ? '' : `=${path}`}`,
    path,
    cause: error,
  });
}
