import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import ts from 'typescript';

import { brokenLinks, countWords, findReadmes, readPrograms, rooms } from '../support/readme.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
/** Inside the package, so that the programs import it by its own name. */
const FOLDER = join(ROOT, 'dist', 'readme');

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
  return diagnostics.map(({ file, messageText }) => {
    return `${file?.fileName ?? ''}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
}

describe('READMEs', function () {
  this.timeout(60_000);
  const readmes = findReadmes(ROOT);
  const programs = readmes.flatMap((path) =>
    readPrograms(readFileSync(join(ROOT, path), 'utf8')).map((program) => ({
      ...program,
      readme: path,
      paths: program.files.map(({ name }) => join(FOLDER, dirname(path), name)),
    })),
  );

  before(() => {
    rmSync(FOLDER, { recursive: true, force: true });
    for (const { files, paths } of programs) {
      for (const [index, path] of paths.entries()) {
        mkdirSync(dirname(path), { recursive: true });
        // Two programs with the same file name in one README would overwrite each other.
        writeFileSync(path, files[index]?.text ?? '', { flag: 'wx' });
      }
    }
  });

  it('exist in every room', () => {
    assert.deepEqual(
      rooms(ROOT).filter((room) => !existsSync(join(ROOT, room, 'README.md'))),
      [],
    );
  });

  it('link to files that exist', () => {
    const pages = [...readmes, 'CHANGELOG.md', '.github/CONTRIBUTING.md'];
    assert.deepEqual(
      pages.flatMap((path) => brokenLinks(ROOT, path)),
      [],
    );
  });

  it('the root README has at most 900 words', () => {
    const words = countWords(readFileSync(join(ROOT, 'README.md'), 'utf8'));
    assert.ok(words <= 900, `${words} words`);
  });

  it('the root README has three programs, each of at most 20 lines', () => {
    const first = programs.filter(({ readme }) => readme === 'README.md');
    assert.equal(first.length, 3);
    for (const { name, text } of first.flatMap(({ files }) => files)) {
      assert.ok(text.trimEnd().split('\n').length <= 20, `${name} has at most 20 lines`);
    }
  });

  it('have programs that compile as strict TypeScript', () => {
    assert.deepEqual(compile(programs.flatMap(({ paths }) => paths)), []);
  });

  for (const { readme, title, paths, prints } of programs) {
    it(`${readme}: ${title} prints what the README says, and the process exits`, async () => {
      const main = paths.at(-1)?.replace(/\.ts$/, '.js') ?? '';
      const { stdout } = await promisify(execFile)(process.execPath, [main], { timeout: 30_000 });
      assert.equal(stdout, prints);
    });
  }
});

describe('reading a README', () => {
  const block = (info: string, text: string): string => `\`\`\`${info}\n${text}\n\`\`\`\n`;

  it('takes the files before an output as one program', () => {
    const text = [block('ts a.ts', '1'), block('ts b.ts', '2'), block('text', 'out'), block('text', 'other')].join(
      '\n',
    );
    assert.deepEqual(readPrograms(text), [
      {
        title: 'a.ts, b.ts',
        files: [
          { name: 'a.ts', text: '1\n' },
          { name: 'b.ts', text: '2\n' },
        ],
        prints: 'out\n',
      },
    ]);
  });

  it('does not take a fragment without a file name', () => {
    assert.deepEqual(readPrograms(block('ts', '1') + block('text', 'out')), []);
  });

  it('rejects a program without its output', () => {
    assert.throws(() => readPrograms(block('ts a.ts', '1')), /no output follows the program a\.ts/);
  });

  it('finds links to files that do not exist', () => {
    const path = 'dist/readme-links.md';
    writeFileSync(
      join(ROOT, path),
      '[a](../lib/index.ts#L1) [b](nowhere.md) [c](https://nodejs.org) [d](#e)\n' + block('', '[f](gone)'),
    );
    try {
      assert.deepEqual(brokenLinks(ROOT, path), [`${path}: nowhere.md`]);
    } finally {
      rmSync(join(ROOT, path));
    }
  });
});
