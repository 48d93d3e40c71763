import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** Asks npm which files `npm publish` would send. */
function packedFiles(): Set<string> {
  const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [packed] = JSON.parse(output) as [{ files: { path: string }[] }];
  return new Set(packed.files.map(({ path }) => path));
}

describe('the package', function () {
  this.timeout(60_000);
  let files: ReadonlySet<string>;
  before(() => (files = packedFiles()));

  it('has the files of every entry point', () => {
    const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      exports: Record<string, string | Record<string, string>>;
    };
    const targets = Object.values(exports).flatMap((target) =>
      typeof target === 'string' ? [target] : Object.values(target),
    );
    assert.ok(targets.length > 10);
    assert.deepEqual(
      targets.map((target) => relative(ROOT, join(ROOT, target))).filter((target) => !files.has(target)),
      [],
    );
  });

  it('has the sources that its source maps name', () => {
    const maps = [...files].filter((file) => file.endsWith('.map'));
    assert.ok(maps.length > 100, `${maps.length} source maps`);
    const sources = maps.flatMap((map) => {
      const { sources } = JSON.parse(readFileSync(join(ROOT, map), 'utf8')) as { sources: string[] };
      return sources.map((source) => relative(ROOT, resolve(ROOT, map, '..', source)));
    });
    // `prepack` empties dist first: a file of a source that was renamed is here alone.
    const missing = sources.filter((source) => !files.has(source) && existsSync(join(ROOT, source)));
    assert.deepEqual(missing, []);
  });

  it('has no tests, benchmarks or build output of the addon', () => {
    const wrong = [...files].filter((file) => /^(dist\/)?(test|bench|readme|docs)\/|^native\/build\//.test(file));
    assert.deepEqual(wrong, []);
  });
});
