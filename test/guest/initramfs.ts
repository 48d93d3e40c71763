import { spawnSync } from 'node:child_process';
import { chmod, copyFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { GUEST_SCRIPTS } from './checkout.js';
import { shellAssignments, shellQuote } from './shell.js';

/** The command that the guest runs. The initramfs contains it. */
export interface GuestCommand {
  /** Program and arguments, not parsed by a shell. */
  readonly argv: readonly string[];
  /** The working directory: a path of the host, which the guest has too. */
  readonly cwd: string;
  /** Variables that are added to its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** The host folder that the guest can write under the same path; empty for none. */
  readonly out: string;
  readonly profile: string;
  readonly token: string;
}

/**
 * Packs a static busybox, the guest's two scripts and the command into a cpio archive, which the kernel unpacks.
 * @param folder an empty folder of this run
 * @returns the archive's path
 */
export async function makeInitramfs(folder: string, command: GuestCommand): Promise<string> {
  const root = join(folder, 'initramfs');
  await mkdir(join(root, 'bin'), { recursive: true });
  await mkdir(join(root, 'job'));
  await copyFile('/bin/busybox', join(root, 'bin/busybox'));
  await copyFile(join(GUEST_SCRIPTS, 'init'), join(root, 'init'));
  await chmod(join(root, 'init'), 0o755);
  await copyFile(join(GUEST_SCRIPTS, 'supervise'), join(root, 'job/supervise'));
  await writeFile(join(root, 'job/environment'), environment(command));
  await writeFile(join(root, 'job/command'), commandFile(command));

  const archive = join(folder, 'initramfs.cpio');
  const names = ['.', 'bin', 'bin/busybox', 'init', 'job', 'job/supervise', 'job/environment', 'job/command'];
  const cpio = spawnSync('cpio', ['--create', '--quiet', '--format=newc', '--owner=+0:+0', `--file=${archive}`], {
    cwd: root,
    input: names.join('\n') + '\n',
    encoding: 'utf8',
  });
  if (cpio.error !== undefined) throw cpio.error;
  if (cpio.status !== 0) throw new Error(`cpio failed: ${cpio.stderr}`);
  return archive;
}

/** The variables that the guest's scripts read. */
function environment(command: GuestCommand): string {
  return shellAssignments({
    GUEST_TOKEN: command.token,
    GUEST_CWD: command.cwd,
    GUEST_OUT: command.out,
    GUEST_PROFILE: command.profile,
    // The guest runs the same `node` as this process.
    PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin'}`,
    HOME: process.env['HOME'] ?? '/root',
    TMPDIR: '/tmp',
  });
}

/** @returns the command as a shell script. The token is not in its environment. */
function commandFile(command: GuestCommand): string {
  const exports = Object.entries(command.env).map(([name, value]) => `export ${shellAssignments({ [name]: value })}`);
  return `${exports.join('')}exec ${command.argv.map(shellQuote).join(' ')}\n`;
}
