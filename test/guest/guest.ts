import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { makeBackingFiles } from './backing.js';
import { CHECKOUT, kernelImage } from './checkout.js';
import { ControlChannel } from './control.js';
import { makeInitramfs } from './initramfs.js';
import { runMachine, type GuestRun } from './machine.js';
import { PERIODIC_TICK, type Profile, PROFILES, type ProfileName } from './profiles.js';
import { qemuArguments } from './qemu.js';

/** A command to run in a guest of its own. */
export interface GuestRequest {
  readonly profile: ProfileName;
  /** Whether QEMU runs at low priority. Default false. */
  readonly aside?: boolean;
  /** Whether the guest's CPUs have a periodic tick; see PERIODIC_TICK. Default false. */
  readonly periodicTick?: boolean;
  /** Program and arguments. */
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** A host folder that the guest can write under the same path. It is created if it is missing. */
  readonly out?: string | undefined;
  readonly cpus: number;
  /** MiB. */
  readonly memory: number;
  readonly deadlineMs: number;
  readonly silenceMs: number;
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** Receives the guest's console while it runs; undefined: the console is not shown. */
  readonly echoConsole?: Writable | undefined;
  readonly stop: AbortSignal;
}

const ASIDE = ['nice', '-n', '15'];

export const GUEST_DEFAULTS = { cpus: 2, memory: 2048, deadlineMs: 900_000, silenceMs: 180_000 } as const;

/**
 * Boots a guest, runs the command in this checkout, and powers the guest off. Only the out folder keeps changes.
 * @throws NotSetUpError if a package or the kernel is missing
 */
export async function runGuest(request: GuestRequest): Promise<GuestRun> {
  const kernel = kernelImage();
  const control = new ControlChannel(randomUUID());
  const out = request.out === undefined ? undefined : await outFolder(request.out);
  const folder = await mkdtemp(join(await realpath(tmpdir()), 'vfio-guest-'));
  try {
    const initramfs = await makeInitramfs(folder, {
      argv: request.argv,
      cwd: CHECKOUT,
      env: request.env ?? {},
      out: out ?? '',
      profile: request.profile,
      token: control.token,
    });
    const files = await makeBackingFiles(folder);
    const { cpus, memory } = request;
    const profile = withTick(PROFILES[request.profile], request.periodicTick);
    const args = qemuArguments({ profile, kernel, initramfs, files, out, cpus, memory });
    const command = [...(request.aside === true ? ASIDE : []), 'qemu-system-x86_64', ...args];
    return await runMachine(command, { ...request, control, echoConsole: request.echoConsole });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function outFolder(path: string): Promise<string> {
  await mkdir(path, { recursive: true });
  return realpath(path);
}

function withTick(profile: Profile, periodicTick = false): Profile {
  return periodicTick ? { ...profile, kernelOptions: [...profile.kernelOptions, ...PERIODIC_TICK] } : profile;
}
