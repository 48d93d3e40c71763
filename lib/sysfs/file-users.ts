import { promises as fs } from 'node:fs';

/** A process that has a file open. */
interface FileUser {
  readonly pid: number;
  /** The name of its program; the kernel keeps 15 characters. */
  readonly command: string;
  readonly path: string;
}

/** The most processes that are looked at. The result is only for hints, which are not worth more time. */
const MOST_PROCESSES = 4096;

/** The suffix in /proc for a file that was removed. */
const DELETED = ' (deleted)';

/**
 * Finds the processes that have one of the files open, this process included. Only root sees the processes of other users.
 * Never throws: a process that cannot be read is left out.
 * @param paths such as /dev/vfio/26
 * @param root the folder to read; default /proc
 * @returns the processes, ascending by pid
 * @internal Exported for its tests.
 */
export async function findFileUsers(paths: readonly string[], root = '/proc'): Promise<FileUser[]> {
  const wanted = new Set(paths);
  const names = await orDefault(fs.readdir(root), []);
  const pids = names.filter((name) => /^\d+$/.test(name)).map(Number);
  const found: FileUser[] = [];
  for (const pid of pids.sort((one, other) => one - other).slice(0, MOST_PROCESSES)) {
    const path = await firstOpen(`${root}/${pid}/fd`, wanted);
    if (path === undefined) continue;
    const command = await orDefault(fs.readFile(`${root}/${pid}/comm`, 'utf8'), '');
    found.push({ pid, command: command.trim(), path });
  }
  return found;
}

/** Describes the processes that have one of the files open, for a hint. @returns undefined if none is seen */
export async function describeFileUsers(paths: readonly string[], root?: string): Promise<string | undefined> {
  const users = await findFileUsers(paths, root);
  if (users.length === 0) return undefined;
  return users
    .map(({ pid, command, path }) => {
      const who = pid === process.pid ? `this process (${pid})` : `process ${pid} (${command})`;
      return `${who} has ${path} open`;
    })
    .join(', ');
}

async function firstOpen(folder: string, wanted: ReadonlySet<string>): Promise<string | undefined> {
  for (const fd of await orDefault(fs.readdir(folder), [])) {
    const target = await orDefault(fs.readlink(`${folder}/${fd}`), '');
    // On an unbind the kernel removes the node before it waits for the processes that have it open.
    const path = target.endsWith(DELETED) ? target.slice(0, -DELETED.length) : target;
    if (wanted.has(path)) return path;
  }
  return undefined;
}

/** Reads something of /proc. Processes end, and files of other users cannot be read: a failure is the same as nothing. */
async function orDefault<T>(access: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await access;
  } catch {
    return otherwise;
  }
}
