import { channel } from 'node:diagnostics_channel';

import { plainMessage, VfioError } from '../base/errors.js';
import type { AttachedDevice, AttachRequest, Backend } from './backend.js';

/** Tells why a way of attaching was left for the next: `vfio-engine:backend-left` with `{device, backend, error}`. */
const left = channel('vfio-engine:backend-left');

/**
 * Errors that mean that a way is not there for this device, as opposed to a device that cannot be had: no node, no
 * iommufd, no permission for it, no group, no call.
 */
const NOT_THERE: ReadonlySet<string> = new Set(['ENOENT', 'ENODEV', 'ENOTTY', 'EACCES', 'ENXIO']);

/** The backend `auto`: tries ways in turn; a failure says of each why it was left. */
export class FirstThatAttaches {
  constructor(private readonly ways: readonly Backend[]) {}

  /** @throws the last way's error; those of the ways before it are its cause, and named in its hint */
  async attach(request: AttachRequest): Promise<AttachedDevice> {
    const failures: { backend: string; error: unknown }[] = [];
    for (const way of this.ways) {
      try {
        return await way.attach(request);
      } catch (error) {
        failures.push({ backend: way.name, error });
        if (!isNotThere(error)) break;
        left.publish({ device: request.name, backend: way.name, error });
      }
    }
    throw summary(failures);
  }
}

function isNotThere(error: unknown): boolean {
  return error instanceof VfioError && NOT_THERE.has(error.code);
}

function summary(failures: readonly { backend: string; error: unknown }[]): unknown {
  const last = failures.at(-1);
  if (!(last?.error instanceof VfioError)) return last?.error;
  const { error } = last;
  const before = failures.slice(0, -1).map(({ backend, error: reason }) => `${backend} was left: ${String(reason)}`);
  const hint = [error.hint, `tried by ${last.backend}`, ...before].filter((part) => part !== undefined).join('; ');
  const cause = failures.length > 1 ? new AggregateError(failures.map((failure) => failure.error)) : error.cause;
  const { code, errno, syscall, device, path } = error;
  return new VfioError(plainMessage(error), { code, errno, syscall, device, path, hint, cause });
}
