import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { THREAD_MODULES } from '../../../lib/native/free-descriptors.js';

const WORKERS = resolve(import.meta.dirname, '../../../workers');

/** Returns the modules that a compiled file imports, by any number of steps, and itself. */
function modulesOf(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  const imports = readFileSync(file, 'utf8').matchAll(/(?:from|import) '(\.[^']+)'/g);
  for (const [, path = ''] of imports) modulesOf(resolve(file, '..', path), found);
  return found;
}

describe('requireStartDescriptors', () => {
  const files = readdirSync(WORKERS).filter((name) => name.endsWith('.js'));
  for (const name of files) {
    it(`asks for as many descriptors as ${name} has modules`, () => {
      const { size } = modulesOf(join(WORKERS, name));
      assert.ok(size > 2 && size <= THREAD_MODULES, `${size} modules`);
    });
  }
});
