import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

// Builds the C baselines, as native/install.cjs builds the addon: with the same compiler, at the same level.
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'bench', 'baseline');
const nodeGyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
for (const step of ['configure', 'build']) {
  const args = [nodeGyp, step, '--directory', root, '--loglevel', 'warn'];
  const { status } = spawnSync(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) process.exit(status ?? 1);
}
