/** Attaches a device with as many free descriptors as `process.argv` tells, and again with all. Prints a line of JSON for each. */
import { closeSync } from 'node:fs';

import { VfioError } from '../../lib/base/errors.js';
import { Engine } from '../../lib/engine/engine.js';
import { fillDescriptors } from '../support/open-fds.js';

const engine = new Engine();
const left = Number(process.argv[2]);

async function attach(): Promise<void> {
  const error = await engine.attach('edu').then(
    (device) => device.detach(),
    (reason: unknown) => reason,
  );
  const told = error instanceof VfioError ? `${error.code}: ${error.syscall ?? ''}` : String(error);
  console.log(JSON.stringify({ left, failed: '', ...(error !== undefined && { error: told }) }));
}

const fill = fillDescriptors(left);
await attach();
for (const fd of fill) closeSync(fd);
await attach();
await engine.close();
