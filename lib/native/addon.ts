import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { systemError } from '../base/errors.js';
import type { EventAddon } from './event.js';
import type { LaneAddon } from './lane.js';
import type { LinuxAddon } from './linux.js';
import { loadFailure, requireNode } from './load-failure.js';
import type { MemoryAddon } from './memory.js';
import type { VfioPciAddon } from './vfio-pci.js';
import type { VfioUserAddon } from './vfio-user.js';

/** All functions of the addon. Each part of the interface has the name of its folder below `native/`. */
export type Addon = LinuxAddon & MemoryAddon & EventAddon & VfioUserAddon & VfioPciAddon & LaneAddon;

interface LoadedAddon extends Addon {
  /** Sets the function that makes the error of a failed system call: native code then throws a VfioError itself. */
  setErrorFactory(factory: typeof systemError): void;
}

/** The addon. This file is its only loader. */
export const addon: Addon = load();

function load(): Addon {
  requireNode(process.versions);
  const packageRoot = packageOf(import.meta.url);
  try {
    const require = createRequire(import.meta.url);
    const bindings = require('bindings') as (options: { bindings: string; module_root: string }) => LoadedAddon;
    const loaded = bindings({ bindings: 'vfio_engine', module_root: join(packageRoot, 'native') });
    loaded.setErrorFactory(systemError);
    return loaded;
  } catch (cause) {
    throw loadFailure(cause, packageRoot);
  }
}

/** This file is dist/lib/native/addon.js. A bundle of CommonJS modules has no `import.meta.url`. */
function packageOf(moduleUrl: string | undefined): string {
  return moduleUrl === undefined ? '/' : join(dirname(fileURLToPath(moduleUrl)), '..', '..', '..');
}
