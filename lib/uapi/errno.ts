import { constants } from 'node:os';

/** The names of Linux's error numbers, as `os.constants.errno` has them. */
export type ErrnoName = keyof typeof constants.errno | 'EBADFD';

/** The errno of VFIO for a descriptor of the wrong kind. The table of Node.js lacks it. Source: asm-generic/errno.h */
const EBADFD = 77;

/** The status of an operation on a region that is closed. Source: asm-generic/errno-base.h */
export const EBADF = 9;

/** The status of an access that met a revoked mapping. Source: asm-generic/errno.h */
export const ESTALE = 116;

/** The status of an operation that was cancelled, or not run because one before it failed. Source: asm-generic/errno.h */
export const ECANCELED = 125;

/** The status of an operation whose I/O worker died. Missing from Node's table. Source: asm-generic/errno.h */
export const EOWNERDEAD = 130;

const numbers: Readonly<Record<string, number>> = { ...constants.errno, EBADFD };
const names = new Map(Object.entries(numbers).map(([name, number]) => [number, name as ErrnoName]));
// EWOULDBLOCK has the same number and comes later in the table.
names.set(constants.errno.EAGAIN, 'EAGAIN');

/** Returns the positive number of an errno name. @throws TypeError if Linux has no such name */
export function errnoNumber(name: ErrnoName): number {
  const number = numbers[name];
  if (number === undefined) throw new TypeError(`${name} is not an errno name`);
  return number;
}

/** Returns the name of a positive errno number; `EIO` for a number without a name. */
export function errnoName(number: number): ErrnoName {
  return names.get(number) ?? 'EIO';
}

/** Tells whether a text is an errno name. */
export function isErrnoName(text: string): text is ErrnoName {
  return text in numbers;
}
