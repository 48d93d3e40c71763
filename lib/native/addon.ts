import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { systemError, VfioError } from '../base/errors.js';
import type { EventAddon } from './event.js';
import type { LaneAddon } from './lane.js';
import type { LinuxAddon } from './linux.js';
import type { MemoryAddon } from './memory.js';
import type { VfioUserAddon } from './vfio-user.js';

/** All functions of the addon. Each part of the interface has the name of its folder below `native/`. */
export type Addon = LinuxAddon & MemoryAddon & EventAddon & VfioUserAddon & LaneAddon;

interface LoadedAddon extends Addon {
  /** Sets the function that makes the error of a failed system call: native code then throws a VfioError itself. */
  setErrorFactory(factory: typeof systemError): void;
}

/** The addon. This file is its only loader. */
export const addon: Addon = load();

function load(): Addon {
  const require = createRequire(import.meta.url);
  const bindings = require('bindings') as (options: { bindings: string; module_root: string }) => LoadedAddon;
  // This file is dist/lib/native/addon.js; the addon is built in native/build.
  const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..', 'native');
  try {
    const loaded = bindings({ bindings: 'vfio_engine', module_root: root });
    loaded.setErrorFactory(systemError);
    return loaded;
  } catch (cause) {
    throw new VfioError('the addon vfio_engine cannot be loaded', {
      code: 'ERR_NOT_SUPPORTED',
      hint: 'build it with `npm run build:native`, with the Node.js that runs it',
      path: root,
      cause,
    });
  }
}
