import { VfioError, withContext } from '../base/errors.js';
import type { Sysfs } from '../kernel/sysfs.js';
import { errnoNumber, isErrnoName } from '../uapi/errno.js';

/** Makes the VfioError of a failed access to /sys. An errno that Linux does not know becomes EIO. */
export function sysfsError(error: unknown, path: string): VfioError {
  if (error instanceof VfioError) return withContext(error, { path }) as VfioError;
  const { code, syscall } = error as NodeJS.ErrnoException;
  const known = code !== undefined && isErrnoName(code) ? code : 'EIO';
  return new VfioError(`${known}: ${syscall ?? 'access'} '${path}'`, {
    code: known,
    errno: errnoNumber(known),
    syscall,
    path,
    cause: error,
  });
}

/**
 * Waits for an access to /sys.
 * @param path for the error
 * @returns its result; undefined if the file does not exist
 * @throws any other error of the access
 */
export async function unlessMissing<T>(access: Promise<T>, path: string): Promise<T | undefined> {
  try {
    return await access;
  } catch (error) {
    const failure = sysfsError(error, path);
    if (failure.code === 'ENOENT') return undefined;
    throw failure;
  }
}

/** Reads a small file without the line end. @returns undefined if the file does not exist */
export async function readText(sysfs: Sysfs, path: string): Promise<string | undefined> {
  // Most files that are read are optional, and an error costs more than this question.
  if (!(await sysfs.exists(path))) return undefined;
  const bytes = await unlessMissing(sysfs.readFile(path), path);
  return bytes === undefined ? undefined : Buffer.from(bytes).toString('latin1').trimEnd();
}

/** Reads the last part of the target of a link, such as the name of a driver. @returns undefined if the link does not exist */
export async function readLinkName(sysfs: Sysfs, path: string): Promise<string | undefined> {
  const target = await unlessMissing(sysfs.readlink(path), path);
  return target?.slice(target.lastIndexOf('/') + 1);
}
