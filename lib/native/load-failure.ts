import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { systemError, VfioError } from '../base/errors.js';
import { withPermission } from '../base/permission.js';

/**
 * Rejects runtimes that are not Node.js. They implement a part of Node-API, but not V8's C++ classes, which the addon needs for
 * a SharedArrayBuffer: Bun ends the process at the first call of one.
 * @param versions `process.versions`
 * @throws ERR_NOT_SUPPORTED
 */
export function requireNode(versions: Readonly<Record<string, string | undefined>>): void {
  const other =
    versions['bun'] === undefined ? versions['deno'] && `Deno ${versions['deno']}` : `Bun ${versions['bun']}`;
  if (other === undefined) return;
  throw new VfioError(`vfio-engine does not run on ${other}: its addon needs Node.js`, {
    code: 'ERR_NOT_SUPPORTED',
    hint: 'run the program with node, version 20.19 or later',
  });
}

/**
 * Makes the error of an addon that was not loaded: that of a system call, if one failed. Otherwise its hint tells the command
 * that helps, which depends on how the package was installed.
 * @param cause what `bindings`, `require` or the addon itself threw
 * @param packageRoot the folder of the package, as the loader computes it from the URL of its module
 */
export function loadFailure(cause: unknown, packageRoot: string): VfioError {
  const denied = withPermission(cause);
  if (denied instanceof VfioError) return denied;
  const failed = failedCall(cause);
  if (failed !== undefined) return systemError(failed.errno, failed.syscall, { cause });
  const { reason, hint } = explain(cause, packageRoot);
  const path = join(packageRoot, 'native');
  return new VfioError(`the addon of vfio-engine cannot be loaded: ${reason}`, {
    code: 'ERR_NOT_SUPPORTED',
    hint,
    path,
    cause,
  });
}

/** The addon tells the errno of a call that failed while it was loaded, such as an allocation. Only its class is missing. */
function failedCall(cause: unknown): { errno: number; syscall: string } | undefined {
  const { errno, syscall } = (cause ?? {}) as Partial<NodeJS.ErrnoException>;
  return errno !== undefined && errno > 0 && syscall !== undefined ? { errno, syscall } : undefined;
}

function explain(cause: unknown, packageRoot: string): { reason: string; hint: string } {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  if (code === 'ERR_DLOPEN_DISABLED') return { reason: 'this process may not load addons', hint: allowAddons() };
  if (!isPackage(packageRoot)) return { reason: `the package vfio-engine is not at ${packageRoot}`, hint: BUNDLED };
  if (isNotFound(cause))
    return { reason: `it is not built in ${join(packageRoot, 'native')}`, hint: rebuild(packageRoot) };
  return { reason: firstLine(cause), hint: rebuild(packageRoot) };
}

function allowAddons(): string {
  // Node.js has the property only while its permission model is on.
  return 'permission' in process ? 'give node --allow-addons and --allow-worker' : 'run node without --no-addons';
}

const BUNDLED =
  'the program seems to be bundled: keep vfio-engine out of the bundle (esbuild: --external:vfio-engine) and install it ' +
  'beside it, because its addon and its threads are files of their own';

/** The command that builds the addon. npm and pnpm skip the script that does it if they are told so, and pnpm by default. */
function rebuild(packageRoot: string): string {
  const [project, installed] = packageRoot.split('/node_modules/');
  if (installed === undefined) return `build it: \`npm run build:native\` in ${packageRoot}`;
  if (installed.startsWith('.pnpm/'))
    return `allow its build and build it: \`pnpm approve-builds\`, then \`pnpm rebuild vfio-engine\`, in ${project}`;
  return `build it with the Node.js that runs the program: \`npm rebuild vfio-engine --ignore-scripts=false\` in ${project}`;
}

/** A bundler puts the loader into a file elsewhere, so that the folder it computes is that of another package, or none. */
function isPackage(packageRoot: string): boolean {
  try {
    const text = readFileSync(join(packageRoot, 'package.json'), 'utf8');
    return (JSON.parse(text) as { name?: unknown }).name === 'vfio-engine';
  } catch {
    return false;
  }
}

/** `bindings` lists the paths that it tried. */
function isNotFound(cause: unknown): boolean {
  return cause instanceof Error && 'tries' in cause;
}

function firstLine(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  return message.split('\n', 1)[0] ?? '';
}
