/** Hooks of Node.js's module loader that instrument the modules below given folders. They run on the loader's thread. */
import { readFile } from 'node:fs/promises';
import type { InitializeHook, LoadHook } from 'node:module';
import { fileURLToPath } from 'node:url';

import { instrument } from './instrument.js';

/** How many counters the driver has (driver.cc). Further places share them. */
const COUNTERS = 1 << 15;

let folders: readonly string[] = [];
let counters = 0;

/** @param given the folders of the modules to instrument, as URLs */
export const initialize: InitializeHook<readonly string[]> = (given) => {
  folders = given;
};

export const load: LoadHook = async (url, context, nextLoad) => {
  if (!folders.some((folder) => url.startsWith(folder))) return nextLoad(url, context);
  const text = await readFile(fileURLToPath(url), 'utf8');
  const source = instrument(text, () => counters++ % COUNTERS);
  return { format: 'module', source, shortCircuit: true };
};
