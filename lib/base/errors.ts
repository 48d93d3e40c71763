import { errnoName, errnoNumber, type ErrnoName } from '../uapi/errno.js';

/**
 * What an error's `code` can be: an errno name where a system call (or the software core in its place) failed, and
 * names of our own, which start with `ERR_`, where the engine itself refused.
 */
export type VfioErrorCode =
  | ErrnoName
  | 'ERR_INVALID_ARGUMENT'
  | 'ERR_OUT_OF_RANGE'
  | 'ERR_CLOSED'
  | 'ERR_NOT_SUPPORTED'
  | 'ERR_TIMEOUT'
  | 'ERR_ABORTED'
  | 'ERR_LANE_FULL'
  | 'ERR_WORKER_DIED'
  | 'ERR_SHORT_TRANSFER'
  | 'ERR_PROTOCOL';

/** The facts of a failure; all but the code are optional. */
export interface VfioErrorFields {
  readonly code: VfioErrorCode;
  /** The positive errno, where there was one. */
  readonly errno?: number | undefined;
  /** The call that failed, as `ioctl(VFIO_GROUP_SET_CONTAINER)` or `open`. */
  readonly syscall?: string | undefined;
  /** The device's name, a bdf or a UUID or a model's name. */
  readonly device?: string | undefined;
  /** The file that the call was made on or for. */
  readonly path?: string | undefined;
  /** What the reader can do about it. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

/** Every failure of the engine. One matches on `code`; `syscall`, `device` and `path` say where, `hint` what to do. */
export class VfioError extends Error implements VfioErrorFields {
  override readonly name: string = 'VfioError';
  readonly code: VfioErrorCode;
  readonly errno?: number | undefined;
  readonly syscall?: string | undefined;
  readonly device?: string | undefined;
  readonly path?: string | undefined;
  readonly hint?: string | undefined;

  constructor(message: string, fields: VfioErrorFields) {
    super(fields.hint === undefined ? message : `${message} (${fields.hint})`, { cause: fields.cause });
    this.code = fields.code;
    this.errno = fields.errno;
    this.syscall = fields.syscall;
    this.device = fields.device;
    this.path = fields.path;
    this.hint = fields.hint;
  }
}

/** Where a system call failed; `systemError` makes the error of it. */
export type SystemErrorContext = Pick<VfioErrorFields, 'device' | 'path' | 'hint' | 'cause'>;

/**
 * Makes the error of a failed system call.
 * @param errno the name, or the positive number
 * @param syscall the call, as `ioctl(VFIO_SET_IOMMU)`
 */
export function systemError(errno: ErrnoName | number, syscall: string, context: SystemErrorContext = {}): VfioError {
  const code = typeof errno === 'number' ? errnoName(errno) : errno;
  const number = typeof errno === 'number' ? errno : errnoNumber(errno);
  const where = context.path ?? context.device;
  return new VfioError(`${code}: ${syscall}${where === undefined ? '' : ` '${where}'`}`, {
    ...context,
    code,
    errno: number,
    syscall,
  });
}

/** Makes the error of an argument that the caller can mend. */
export function invalidArgument(message: string, hint?: string): VfioError {
  return new VfioError(message, { code: 'ERR_INVALID_ARGUMENT', hint });
}

/** Gives the same error with what the caller knows added to it; facts already there stay. */
export function withContext(error: unknown, context: SystemErrorContext): unknown {
  if (!(error instanceof VfioError)) return error;
  const enriched = new VfioError(plainMessage(error), {
    code: error.code,
    errno: error.errno,
    syscall: error.syscall,
    device: error.device ?? context.device,
    path: error.path ?? context.path,
    hint: error.hint ?? context.hint,
    cause: error.cause ?? context.cause,
  });
  // Of the first one; left to who looks at it, as making a stack's text costs more than all else of an error.
  Object.defineProperty(enriched, 'stack', { get: () => error.stack, configurable: true });
  return enriched;
}

/** An error as it crosses threads: structured clone would drop the class, the code and the errno. */
export interface SerializedError extends VfioErrorFields {
  readonly vfioError: true;
  readonly message: string;
  readonly stack?: string | undefined;
}

/** Turns any thrown value into what survives `postMessage`. */
export function serializeError(error: unknown): SerializedError {
  if (error instanceof VfioError) {
    const { code, errno, syscall, device, path, hint, stack } = error;
    const cause = error.cause === undefined ? undefined : serializeError(error.cause);
    return { vfioError: true, message: plainMessage(error), code, errno, syscall, device, path, hint, stack, cause };
  }
  const thrown = error instanceof Error ? error : new Error(String(error));
  return { vfioError: true, message: thrown.message, code: 'EIO', stack: thrown.stack };
}

/** Makes the error again on the other thread. */
export function deserializeError(data: SerializedError): VfioError {
  const cause = isSerializedError(data.cause) ? deserializeError(data.cause) : data.cause;
  const error = new VfioError(data.message, { ...data, cause });
  if (data.stack !== undefined) error.stack = data.stack;
  return error;
}

/** Tells a serialized error from other data. */
export function isSerializedError(value: unknown): value is SerializedError {
  return typeof value === 'object' && value !== null && (value as Partial<SerializedError>).vfioError === true;
}

/** Gives an error's message without the hint that the constructor appended. */
export function plainMessage(error: VfioError): string {
  const suffix = ` (${error.hint})`;
  return error.hint !== undefined && error.message.endsWith(suffix)
    ? error.message.slice(0, -suffix.length)
    : error.message;
}
