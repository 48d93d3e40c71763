import { isAnyArrayBuffer, isArrayBuffer, isSharedArrayBuffer } from 'node:util/types';

import { isObject, shown } from '../base/arguments.js';
import { invalidArgument, type VfioError } from '../base/errors.js';

/** An object, and the expression that names it. */
type Named = readonly [name: string, value: object];

/**
 * Rejects values with memory that structured clone would copy: an ArrayBuffer, a Buffer, a view of an ArrayBuffer. A function
 * that fills such memory fills its copy, and the caller would never know.
 * @param name of the value, as the caller writes it
 * @throws ERR_INVALID_ARGUMENT
 */
export function requireNoCopies(name: string, value: unknown): void {
  const seen = new Set<object>();
  const left: Named[] = isObject(value) ? [[name, value]] : [];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const [path, each] = next;
    if (seen.has(each)) continue;
    seen.add(each);
    if (isCopied(each)) throw copiedError(path, each);
    if (isMemory(each)) continue;
    for (const child of childrenOf(path, each)) left.push(child);
  }
}

function isCopied(value: object): boolean {
  return isArrayBuffer(value) || (ArrayBuffer.isView(value) && !isSharedArrayBuffer(value.buffer));
}

/** Views have a property for each element. */
function isMemory(value: object): boolean {
  return isAnyArrayBuffer(value) || ArrayBuffer.isView(value);
}

/** The objects that structured clone copies with an object. */
function* childrenOf(path: string, parent: object): Generator<Named> {
  if (parent instanceof Map) {
    for (const [key, item] of parent as Map<unknown, unknown>) {
      if (isObject(key)) yield [`${path}.keys()`, key];
      if (isObject(item)) yield [`${path}.get(${shown(key)})`, item];
    }
  } else if (parent instanceof Set || Array.isArray(parent)) {
    let index = 0;
    for (const item of parent as Iterable<unknown>) {
      if (isObject(item)) yield [`${path}[${index}]`, item];
      index++;
    }
  } else {
    for (const [key, item] of Object.entries(parent)) if (isObject(item)) yield [path + propertyOf(key), item];
  }
}

function propertyOf(key: string): string {
  return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key) ? `.${key}` : `['${key}']`;
}

function copiedError(path: string, value: object): VfioError {
  const kind = value.constructor.name;
  const received = `${/^[AEIOU](?!int)/.test(kind) ? 'an' : 'a'} ${kind}`;
  return invalidArgument(
    `\`${path}\` must be in a SharedArrayBuffer: the driver function would get a copy of it. Received ${received}`,
    'share the memory, or pass an array or a string if the function only reads it',
  );
}
