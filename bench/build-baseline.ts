import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

// Builds the C baselines, as native/install.cjs builds the addon: with the same compiler, at the same level.
const top = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const root = join(top, 'bench', 'baseline');
const require = createRequire(import.meta.url);
const nodeGyp = require.resolve('node-gyp/bin/node-gyp.js');
const { ownHeaders } = require(join(top, 'native', 'headers.cjs')) as { ownHeaders: () => string[] };
for (const step of ['configure', 'build']) {
  const args = [nodeGyp, step, '--directory', root, '--loglevel', 'warn', ...ownHeaders()];
  const { status } = spawnSync(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) process.exit(status ?? 1);
}
