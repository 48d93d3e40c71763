import { errnoName, errnoNumber, isErrnoName, type ErrnoName } from '../uapi/errno.js';

/**
 * The code of an error. It is an errno name if a system call failed, in the kernel or in the software core. It starts with
 * `ERR_` if the engine itself found the error.
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
  | 'ERR_REVOKED'
  | 'ERR_PROTOCOL';

/** The facts of a failure. Only the code is always there. */
export interface VfioErrorFields {
  /** What failed. Match on it. */
  readonly code: VfioErrorCode;
  /** The positive errno, if a system call failed. */
  readonly errno?: number | undefined;
  /** The call that failed, such as `ioctl(VFIO_GROUP_SET_CONTAINER)` or `open`. */
  readonly syscall?: string | undefined;
  /** The name of the device: a bdf, a UUID or the name of a model. */
  readonly device?: string | undefined;
  /** The path of the file that the call concerned. */
  readonly path?: string | undefined;
  /** What the user can do about the failure. */
  readonly hint?: string | undefined;
  /** The error behind this one. */
  readonly cause?: unknown;
}

/** A failure of the engine. Match on `code`; `syscall`, `device` and `path` say where it failed, `hint` what to do. */
export class VfioError extends Error implements VfioErrorFields {
  /** Always 'VfioError'. */
  override readonly name: string = 'VfioError';
  /** What failed. Match on it. */
  readonly code: VfioErrorCode;
  /** The positive errno, if a system call failed. */
  readonly errno?: number | undefined;
  /** The call that failed, such as `ioctl(VFIO_GROUP_SET_CONTAINER)` or `open`. */
  readonly syscall?: string | undefined;
  /** The name of the device: a bdf, a UUID or the name of a model. */
  readonly device?: string | undefined;
  /** The path of the file that the call concerned. */
  readonly path?: string | undefined;
  /** What the user can do about the failure. */
  readonly hint?: string | undefined;

  /** @param message without the hint, which the constructor appends in parentheses */
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

/** What is known about a failed system call besides its errno. */
export type SystemErrorContext = Pick<VfioErrorFields, 'device' | 'path' | 'hint' | 'cause'>;

/**
 * Makes the error of a failed system call.
 * @param errno the name, or the positive number
 * @param syscall the call, such as `ioctl(VFIO_SET_IOMMU)`
 */
export function systemError(errno: ErrnoName | number, syscall: string, context: SystemErrorContext = {}): VfioError {
  const code = typeof errno === 'number' ? errnoName(errno) : errno;
  const number = typeof errno === 'number' ? errno : errnoNumber(errno);
  return new VfioError(withObject(`${code}: ${syscall}`, context), {
    ...context,
    code,
    errno: number,
    syscall,
  });
}

/** Adds the object of a failed call to its message: the path, or else the device. */
function withObject(message: string, { path, device }: SystemErrorContext): string {
  const object = path ?? device;
  return object === undefined ? message : `${message} '${object}'`;
}

/** Makes the error of a wrong argument. `argumentError` of arguments.ts writes the usual message. */
export function invalidArgument(message: string, hint?: string): VfioError {
  return new VfioError(message, { code: 'ERR_INVALID_ARGUMENT', hint });
}

/**
 * Returns a copy of a VfioError with the caller's facts added. Facts that the error already has stay. The copy has the stack
 * of the original. Any other value is returned as it is.
 */
export function withContext(error: unknown, context: SystemErrorContext): unknown {
  if (!(error instanceof VfioError)) return error;
  const message = plainMessage(error);
  // The message of a system call's error names the object as soon as it is known.
  const lacksObject = error.syscall !== undefined && message === `${error.code}: ${error.syscall}`;
  const enriched = new VfioError(lacksObject ? withObject(message, context) : message, {
    code: error.code,
    errno: error.errno,
    syscall: error.syscall,
    device: error.device ?? context.device,
    path: error.path ?? context.path,
    hint: error.hint ?? context.hint,
    cause: error.cause ?? context.cause,
  });
  // A getter, because formatting a stack costs more than the rest of the error, and most stacks are never read.
  Object.defineProperty(enriched, 'stack', { get: () => error.stack, configurable: true });
  return enriched;
}

/** An error in the form that crosses threads. Structured clone would drop the class, the code and the errno. */
export interface SerializedError extends VfioErrorFields {
  readonly vfioError: true;
  readonly message: string;
  readonly stack?: string | undefined;
}

/**
 * Turns any thrown value into data for `postMessage`. A failed system call of Node.js keeps its errno. Any other value that
 * is not a VfioError gets the code EIO.
 */
export function serializeError(thrown: unknown): SerializedError {
  const error = systemErrorOf(thrown);
  if (error instanceof VfioError) {
    const { code, errno, syscall, device, path, hint, stack } = error;
    const cause = error.cause === undefined ? undefined : serializeError(error.cause);
    return { vfioError: true, message: plainMessage(error), code, errno, syscall, device, path, hint, stack, cause };
  }
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return { vfioError: true, message, code: 'EIO', stack };
}

/** Returns the VfioError of a system call that failed in Node.js itself, any other value as it is. */
export function systemErrorOf(thrown: unknown): unknown {
  if (!(thrown instanceof Error) || thrown instanceof VfioError) return thrown;
  const { message, code = '', syscall, path, stack } = thrown as NodeJS.ErrnoException;
  if (syscall === undefined || !isErrnoName(code)) return thrown;
  const error = new VfioError(message, { code, errno: errnoNumber(code), syscall, path });
  if (stack !== undefined) error.stack = stack;
  return error;
}

/** Makes the error from its data, on the other thread. */
export function deserializeError(data: SerializedError): VfioError {
  const cause = isSerializedError(data.cause) ? deserializeError(data.cause) : data.cause;
  const error = new VfioError(data.message, { ...data, cause });
  if (data.stack !== undefined) error.stack = data.stack;
  return error;
}

/** Tells whether data is a serialized error. @internal Exported for tests. */
export function isSerializedError(value: unknown): value is SerializedError {
  return typeof value === 'object' && value !== null && (value as Partial<SerializedError>).vfioError === true;
}

/** Returns the message of an error without the hint that the constructor appended. */
export function plainMessage(error: VfioError): string {
  const suffix = ` (${error.hint})`;
  return error.hint !== undefined && error.message.endsWith(suffix)
    ? error.message.slice(0, -suffix.length)
    : error.message;
}
