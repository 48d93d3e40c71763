import { systemError, VfioError } from '../../base/errors.js';
import type { Sysfs } from '../../kernel/sysfs.js';
import type { ErrnoName } from '../../uapi/errno.js';
import type { SoftwareMachine } from './machine.js';
import { Refusal } from '../refusal.js';
import { sysfsRoot, type SysfsNode } from './sysfs-tree.js';

/** As many links as the kernel follows on one path. */
const LINKS_MAX = 40;

/** Shows a software machine's devices, groups and drivers under the paths that /sys has. */
export function softwareSysfs(machine: SoftwareMachine): Sysfs {
  const find = (call: string, path: string, followLast = true): SysfsNode => {
    const node = walk(sysfsRoot(machine), path, followLast);
    return typeof node === 'string' ? fail(node, call, path) : node;
  };
  const writeFile = async (path: string, data: string): Promise<void> => {
    const node = find('open', path);
    if (node.kind !== 'file') return fail('EISDIR', 'open', path);
    if (node.write === undefined) return fail('EACCES', 'open', path);
    try {
      await node.write(data.trim());
    } catch (error) {
      if (error instanceof Refusal) fail(error.code, 'write', path);
      throw error;
    }
  };
  return {
    readlink: (path) =>
      promised(() => {
        const node = find('readlink', path, false);
        return node.kind === 'link' ? node.target : fail('EINVAL', 'readlink', path);
      }),
    readFile: (path) =>
      promised(() => {
        const node = find('read', path);
        if (node.kind !== 'file') return fail('EISDIR', 'read', path);
        return node.read === undefined ? fail('EACCES', 'open', path) : new TextEncoder().encode(node.read());
      }),
    readdir: (path) =>
      promised(() => {
        const node = find('scandir', path);
        return node.kind === 'directory' ? [...node.entries().keys()] : fail('ENOTDIR', 'scandir', path);
      }),
    writeFile,
    writeSlowly: (path, data, timeoutMs) => within(writeFile(path, data), timeoutMs, path),
    exists: (path) => promised(() => typeof walk(sysfsRoot(machine), path, true) !== 'string'),
  };
}

/** Gives up waiting for a write, which goes on: as for a process that writes to the real /sys. */
async function within(writing: Promise<void>, timeoutMs: number, path: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    const message = `writing '${path}' was not done after ${timeoutMs} ms`;
    timer = setTimeout(() => reject(new VfioError(message, { code: 'ERR_TIMEOUT', path })), timeoutMs);
  });
  try {
    await Promise.race([writing, tooLong]);
  } finally {
    clearTimeout(timer);
  }
}

function promised<T>(body: () => T): Promise<T> {
  return new Promise((resolve) => resolve(body()));
}

function fail(code: ErrnoName, call: string, path: string): never {
  throw systemError(code, call, { path });
}

/** Finds what a path names. @returns the node, or why there is none */
function walk(root: SysfsNode, path: string, followLast: boolean): SysfsNode | ErrnoName {
  let rest = partsOf(path);
  let trail: { readonly name: string; readonly node: SysfsNode }[] = [];
  for (let links = 0; rest.length > 0;) {
    const [name = '', ...after] = rest;
    rest = after;
    if (name === '..') {
      trail = trail.slice(0, -1);
      continue;
    }
    const parent = trail.at(-1)?.node ?? root;
    if (parent.kind !== 'directory') return 'ENOTDIR';
    const node = parent.entries().get(name);
    if (node === undefined) return 'ENOENT';
    if (node.kind !== 'link' || (rest.length === 0 && !followLast)) {
      trail = [...trail, { name, node }];
      continue;
    }
    links += 1;
    if (links > LINKS_MAX) return 'ELOOP';
    rest = [...partsOf(node.target), ...rest];
  }
  return trail.at(-1)?.node ?? root;
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}
