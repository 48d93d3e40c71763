import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { DEVICE_VARIABLE } from './backing.js';
import type { BenchCase } from './case.js';

const here = dirname(fileURLToPath(import.meta.url));
/** In the guest there are cases that need a real device, besides. */
const FOLDERS = process.env[DEVICE_VARIABLE] === undefined ? ['cases'] : ['cases', 'guest-cases'];

/** The names of the cases that can be run here. */
export function caseNames(): string[] {
  const files = FOLDERS.flatMap((folder) => readdirSync(join(here, folder)));
  return files
    .filter((file) => file.endsWith('.js'))
    .map((file) => basename(file, '.js'))
    .sort();
}

/** @throws for a name that is none */
export async function loadCase(name: string): Promise<BenchCase> {
  const path = FOLDERS.map((folder) => join(here, folder, `${name}.js`)).find((candidate) => existsSync(candidate));
  if (path === undefined) throw new RangeError(`there is no case ${name}: there are ${caseNames().join(', ')}`);
  return ((await import(path)) as { default: BenchCase }).default;
}
