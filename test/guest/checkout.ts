import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';

/** The root of the checkout. This file is compiled to dist/test/guest. */
export const CHECKOUT = resolve(import.meta.dirname, '../../..');

/** The folder of the guest's scripts, which are not compiled. */
export const GUEST_SCRIPTS = join(CHECKOUT, 'test/guest');

/** This machine cannot boot the guest. The message names what is missing and the command that installs it. */
export class NotSetUpError extends Error {
  override readonly name = 'NotSetUpError';
}

/**
 * Finds the kernel that setup.sh has built. Changes nothing on the machine.
 * @returns the path of its bzImage
 * @throws NotSetUpError if a package or the kernel is missing
 */
export function kernelImage(): string {
  const { status, stdout, stderr, error } = spawnSync(join(GUEST_SCRIPTS, 'setup.sh'), ['--check'], {
    encoding: 'utf8',
  });
  if (error !== undefined) throw error;
  if (status === 0) return stdout.trim();
  throw new NotSetUpError(`${stderr.trim()}\nthe guest is not set up: run test/guest/setup.sh (as root) first`);
}
