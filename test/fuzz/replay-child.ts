/** Runs a target in TypeScript over its seeds and over files: `node replay-child.js TARGET FILES...` */
import { readFileSync } from 'node:fs';

import type { ScriptTarget } from './targets.js';

const [name = '', ...files] = process.argv.slice(2);
const { fuzz, seeds } = (await import(`./targets/${name}.js`)) as ScriptTarget;
for (const seed of seeds) await fuzz(seed);
for (const file of files) {
  console.error(file);
  await fuzz(readFileSync(file));
}
