import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

import ts from 'typescript';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** A row of the table in lib/README.md: the paths that make up the layer, and what alone it may import where it says so. */
interface Layer {
  readonly paths: readonly string[];
  readonly alone: readonly string[] | undefined;
}

/** Reads the table, whose rows go from the lowest layer to the highest. */
function readLayers(readme: string): Layer[] {
  const section = /^## Layers$([\s\S]*?)(?:^## |$(?![\s\S]))/m.exec(readme)?.[1] ?? '';
  const rows = section.split('\n').filter((line) => line.startsWith('| `'));
  return rows.map((row) => {
    const [, paths = '', rule = ''] = row.split('|');
    const alone = /imports (.*) alone/.exec(rule)?.[1];
    return { paths: quoted(paths), alone: alone === undefined ? undefined : quoted(alone) };
  });
}

function quoted(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, path = '']) => path);
}

/** The layer whose path is the longest that the file is under. */
function layerOf(file: string, layers: readonly Layer[]): number {
  let best = -1;
  let length = 0;
  layers.forEach(({ paths }, index) => {
    for (const path of paths) {
      const under = path.endsWith('/') ? file.startsWith(path) : file === path;
      if (under && path.length > length) [best, length] = [index, path.length];
    }
  });
  return best;
}

/** Every file of ours that a file imports, types and dynamic imports too, as a path from the root. */
function importsOf(file: string): string[] {
  const { importedFiles } = ts.preProcessFile(readFileSync(join(ROOT, file), 'utf8'), true, true);
  return importedFiles
    .map(({ fileName }) => fileName)
    .filter((name) => name.startsWith('.'))
    .map((name) => relative(ROOT, join(ROOT, dirname(file), name)).replace(/\.js$/, '.ts'));
}

function sourceFiles(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)));
}

/** The violations of the rules, one line each. */
function violations(files: ReadonlyMap<string, readonly string[]>, layers: readonly Layer[]): string[] {
  const found: string[] = [];
  for (const [file, imports] of files) {
    const own = layerOf(file, layers);
    if (own < 0) found.push(`${file} is in no layer`);
    for (const target of imports) {
      if (!mayImport(file, target, own, layers)) found.push(`${file} imports ${target}`);
    }
  }
  return found;
}

function mayImport(file: string, target: string, own: number, layers: readonly Layer[]): boolean {
  const { alone, paths = [] } = layers[own] ?? {};
  if (alone !== undefined) return [...alone, ...paths].some((path) => target === path || target.startsWith(path));
  const theirs = layerOf(target, layers);
  if (theirs < 0 || theirs > own) return false;
  return backendOf(file) === backendOf(target) || backendOf(file) === undefined || backendOf(target) === undefined;
}

/** `container` of lib/backends/container/attach.ts; undefined for what the backends share. */
function backendOf(file: string): string | undefined {
  return /^lib\/backends\/([\w-]+)\//.exec(file)?.[1];
}

/**
 * Finds the files that import each other, directly or in a longer circle, by taking away all files that import none of the rest,
 * and then all that none of the rest imports.
 */
function inCircles(files: ReadonlyMap<string, readonly string[]>): string[] {
  let left = new Set(files.keys());
  for (;;) {
    const importing = [...left].filter((file) => files.get(file)?.some((target) => left.has(target)));
    const imported = new Set(importing.flatMap((file) => files.get(file) ?? []));
    const rest = new Set(importing.filter((file) => imported.has(file)));
    if (rest.size === left.size) return [...left].sort();
    left = rest;
  }
}

describe('layering', () => {
  const layers = readLayers(readFileSync(join(ROOT, 'lib/README.md'), 'utf8'));

  it('is a table in lib/README.md', () => {
    assert.ok(layers.length >= 18, `${layers.length} rows`);
    assert.ok(layers.some(({ alone }) => alone !== undefined));
  });

  it('holds for every file of lib and workers', () => {
    const files = new Map([...sourceFiles('lib'), ...sourceFiles('workers')].map((file) => [file, importsOf(file)]));
    assert.deepEqual(violations(files, layers), []);
  });

  it('has no circle of imports, of types included, in all of the project', () => {
    const files = ['lib', 'workers', 'bench', 'test'].flatMap((folder) => sourceFiles(folder));
    assert.deepEqual(inCircles(new Map(files.map((file) => [file, importsOf(file)]))), []);
  });

  it('finds circles of two and of three files', () => {
    const files: [string, string[]][] = [
      ['a', ['b', 'x']],
      ['b', ['a']],
      ['c', ['d', 'a']],
      ['d', ['e']],
      ['e', ['c']],
      ['f', ['a']],
      ['x', []],
    ];
    assert.deepEqual(inCircles(new Map(files)), ['a', 'b', 'c', 'd', 'e']);
  });

  it('names only paths that exist', () => {
    const files = [...sourceFiles('lib'), ...sourceFiles('workers')];
    const missing = layers.flatMap(({ paths }) => paths).filter((path) => !files.some((file) => file.startsWith(path)));
    assert.deepEqual(missing, []);
  });

  it('tells an import upwards, of another backend, by a worker and of a file in no layer', () => {
    const wrong: [string, string][] = [
      ['lib/base/errors.ts', 'lib/cli/main.ts'],
      ['lib/backends/container/attach.ts', 'lib/backends/iommufd/attach.ts'],
      ['workers/io.ts', 'lib/engine/engine.ts'],
      ['lib/cli/main.ts', 'lib/elsewhere.ts'],
    ];
    for (const [file, target] of wrong) {
      assert.deepEqual(violations(new Map([[file, [target]]]), layers), [`${file} imports ${target}`]);
    }
    assert.deepEqual(violations(new Map([['lib/elsewhere.ts', []]]), layers), ['lib/elsewhere.ts is in no layer']);
  });
});
