import { channel } from 'node:diagnostics_channel';

import { plainMessage, VfioError } from '../base/errors.js';
import type { AttachedDevice, AttachRequest, Backend } from './backend.js';

/** The message of `vfio-engine:backend-left`: the backend `auto` goes on with the next backend, because of the error. */
export interface BackendLeftMessage {
  /** The name of the device. */
  readonly device: string;
  /** The backend that failed. */
  readonly backend: string;
  /** Why it failed. */
  readonly error: unknown;
}

const backendLeftChannel = channel('vfio-engine:backend-left');

/**
 * The errors that mean that a backend cannot be used for the device: no node, no iommufd, no permission, no group, no call. Any
 * other error means that the device itself cannot be attached.
 */
const BACKEND_UNAVAILABLE: ReadonlySet<string> = new Set(['ENOENT', 'ENODEV', 'ENOTTY', 'EACCES', 'ENXIO']);

/** The backend `auto`: tries backends in order. If none can be used, the failure explains why each was left. */
export class AutoBackend {
  constructor(private readonly backends: readonly Backend[]) {}

  /**
   * @throws (rejects) the error of the last backend. If this backend, too, did not find or open its files, its hint and its cause
   * have the errors of the backends before it
   */
  async attach(request: AttachRequest): Promise<AttachedDevice> {
    const failures: { backend: string; error: unknown }[] = [];
    for (const backend of this.backends) {
      try {
        return await backend.attach(request);
      } catch (error) {
        failures.push({ backend: backend.name, error });
        if (!isUnavailable(error)) break;
        backendLeftChannel.publish({ device: request.name, backend: backend.name, error } satisfies BackendLeftMessage);
      }
    }
    const last = failures.at(-1)?.error;
    throw isOfFiles(last) ? summary(failures) : last;
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof VfioError && BACKEND_UNAVAILABLE.has(error.code);
}

/** Tells whether a backend found no file that it needs, or may not open it. Other calls concern the device. */
function isOfFiles(error: unknown): boolean {
  return isUnavailable(error) && !/^(ioctl|vfio-user)\(/.test((error as VfioError).syscall ?? '');
}

function summary(failures: readonly { backend: string; error: unknown }[]): unknown {
  const last = failures.at(-1);
  if (!(last?.error instanceof VfioError)) return last?.error;
  const { error } = last;
  const before = failures.slice(0, -1).map((left) => `${left.backend} was left: ${messageOf(left.error)}`);
  const hint = [error.hint, `tried by ${last.backend}`, ...before].filter((part) => part !== undefined).join('; ');
  const cause = failures.length > 1 ? new AggregateError(failures.map((failure) => failure.error)) : error.cause;
  const { code, errno, syscall, device, path } = error;
  return new VfioError(plainMessage(error), { code, errno, syscall, device, path, hint, cause });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
