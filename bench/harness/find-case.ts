import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { DEVICE_VARIABLE } from '../fixtures/backing.js';
import type { BenchCase } from './case.js';

const bench = join(dirname(fileURLToPath(import.meta.url)), '..');
/** The guest has real devices: more cases run there. */
const FOLDERS = process.env[DEVICE_VARIABLE] === undefined ? ['cases'] : ['cases', 'guest-cases'];

/** Returns the names of the cases that can run here, sorted. */
export function caseNames(): string[] {
  const files = FOLDERS.flatMap((folder) => readdirSync(join(bench, folder)));
  return files
    .filter((file) => file.endsWith('.js'))
    .map((file) => basename(file, '.js'))
    .sort();
}

/** Loads a case. @throws RangeError if no case has this name */
export async function loadCase(name: string): Promise<BenchCase> {
  const path = FOLDERS.map((folder) => join(bench, folder, `${name}.js`)).find((candidate) => existsSync(candidate));
  if (path === undefined) throw new RangeError(`no case has the name ${name}. The names are ${caseNames().join(', ')}`);
  return ((await import(path)) as { default: BenchCase }).default;
}
