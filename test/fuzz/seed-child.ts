/** Writes the seeds of a target in TypeScript as files: `node seed-child.js TARGET FOLDER` */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { ScriptTarget } from './targets.js';

const [name = '', folder = ''] = process.argv.slice(2);
const { seeds } = (await import(`./targets/${name}.js`)) as ScriptTarget;
mkdirSync(folder, { recursive: true });
for (const [index, seed] of seeds.entries()) writeFileSync(join(folder, `seed-${index}`), seed);
