import { promises as fs } from 'node:fs';

/** A process that has a file open. */
export interface FileUser {
  readonly pid: number;
  /** The name of its program, as the kernel keeps it: 15 characters. */
  readonly command: string;
  readonly path: string;
}

/** A machine with more processes than this is looked at in part: an error's hint is not worth more. */
const MOST_PROCESSES = 4096;

/** What /proc adds to the name of a file that was removed. */
const DELETED = ' (deleted)';

/**
 * Finds who has one of some files open, this process too. Those of other users are seen by root alone.
 * @param paths such as /dev/vfio/26
 * @param root /proc, or what stands for it
 * @returns ascending by pid; without those that cannot be looked at, so none where /proc is not there. Never throws
 */
export async function findFileUsers(paths: readonly string[], root = '/proc'): Promise<FileUser[]> {
  const wanted = new Set(paths);
  const names = await ifSeen(fs.readdir(root), []);
  const pids = names.filter((name) => /^\d+$/.test(name)).map(Number);
  const found: FileUser[] = [];
  for (const pid of pids.sort((one, other) => one - other).slice(0, MOST_PROCESSES)) {
    const path = await firstOpen(`${root}/${pid}/fd`, wanted);
    if (path === undefined) continue;
    const command = await ifSeen(fs.readFile(`${root}/${pid}/comm`, 'utf8'), '');
    found.push({ pid, command: command.trim(), path });
  }
  return found;
}

/** Says who holds files, for an error's hint; undefined when nobody is seen. */
export async function describeFileUsers(paths: readonly string[], root?: string): Promise<string | undefined> {
  const holders = await findFileUsers(paths, root);
  if (holders.length === 0) return undefined;
  return holders
    .map(({ pid, command, path }) => {
      const who = pid === process.pid ? `this process (${pid})` : `process ${pid} (${command})`;
      return `${who} has ${path} open`;
    })
    .join(', ');
}

async function firstOpen(folder: string, wanted: ReadonlySet<string>): Promise<string | undefined> {
  for (const fd of await ifSeen(fs.readdir(folder), [])) {
    const target = await ifSeen(fs.readlink(`${folder}/${fd}`), '');
    // The kernel takes a node away before it waits for who has it open.
    const path = target.endsWith(DELETED) ? target.slice(0, -DELETED.length) : target;
    if (wanted.has(path)) return path;
  }
  return undefined;
}

/** Processes come and go, others' files are not shown, no descriptor may be left: what is not seen is not there. */
async function ifSeen<T>(access: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await access;
  } catch {
    return otherwise;
  }
}
