import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import ts from 'typescript';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
/** Inside the package, so that the programs import it by its own name. */
const FOLDER = join(ROOT, 'dist', 'readme');

/** A program of the README: its files, of which the last one is run, and what it prints. */
interface Program {
  readonly title: string;
  readonly files: readonly { readonly name: string; readonly text: string }[];
  readonly prints: string;
}

/** Reads the programs under "First programs": each has a heading, `ts NAME.ts` blocks and a `text` block of its output. */
function readPrograms(readme: string): Program[] {
  const section = /^## First programs$([\s\S]*?)^## /m.exec(readme)?.[1] ?? '';
  return section
    .split(/^### /m)
    .slice(1)
    .map((part) => ({
      title: part.slice(0, part.indexOf('\n')),
      files: [...part.matchAll(/^```ts ([\w-]+\.ts)\n([\s\S]*?)^```$/gm)].map(([, name = '', text = '']) => ({
        name,
        text,
      })),
      prints: /^```text\n([\s\S]*?)^```$/m.exec(part)?.[1] ?? '',
    }));
}

function compile(files: readonly string[]): string[] {
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    lib: ['lib.es2024.d.ts'],
    types: ['node'],
    strict: true,
    noUnusedLocals: true,
    skipLibCheck: true,
  };
  const program = ts.createProgram([...files], options);
  const diagnostics = [...ts.getPreEmitDiagnostics(program), ...program.emit().diagnostics];
  return diagnostics.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}

describe('README: first programs', function () {
  this.timeout(60_000);
  const programs = readPrograms(readFileSync(join(ROOT, 'README.md'), 'utf8'));

  before(() => {
    rmSync(FOLDER, { recursive: true, force: true });
    mkdirSync(FOLDER, { recursive: true });
    for (const { name, text } of programs.flatMap(({ files }) => files)) writeFileSync(join(FOLDER, name), text);
  });

  it('are there for an emulator, a driver and a device model, and short', () => {
    assert.equal(programs.length, 3);
    for (const { title, files, prints } of programs) {
      assert.ok(files.length > 0 && prints !== '', title);
      for (const { name, text } of files) assert.ok(text.trimEnd().split('\n').length <= 20, `${name} is short`);
    }
  });

  it('compile as strict TypeScript', () => {
    const names = programs.flatMap(({ files }) => files).map(({ name }) => join(FOLDER, name));
    assert.deepEqual(compile(names), []);
  });

  for (const { title, files, prints } of programs) {
    it(`${title}: prints what the README says, and ends by itself`, async () => {
      const main = files.at(-1)?.name.replace(/\.ts$/, '.js') ?? '';
      const { stdout } = await promisify(execFile)(process.execPath, [join(FOLDER, main)], { timeout: 30_000 });
      assert.equal(stdout, prints);
    });
  }
});
