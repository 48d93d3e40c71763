import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { isGreen, readCounts } from '../../support/counts.js';

const ROOT = resolve(import.meta.dirname, '../../../..');

describe('the counts of suites', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'counts-'))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function file(name: string, text: string): string {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  }

  function printed(...files: string[]): { code: number | null; lines: readonly string[] } {
    const script = join(ROOT, 'dist/test/support/sum-counts.js');
    const { status, stdout } = spawnSync(process.execPath, [script, ...files], { encoding: 'utf8' });
    return { code: status, lines: stdout.trimEnd().split('\n') };
  }

  function sum(...files: string[]): { code: number | null; lastLine: string | undefined } {
    const { code, lines } = printed(...files);
    return { code, lastLine: lines.at(-1) };
  }

  /** Runs mocha on a spec of its own with the counts reporter. */
  function mocha(spec: string): { code: number | null; counts: ReturnType<typeof readCounts> } {
    const output = join(folder, 'out.json');
    const { status } = spawnSync(
      process.execPath,
      [
        ...[join(ROOT, 'node_modules/mocha/bin/mocha.js'), '--no-package', '--no-config'],
        ...['--reporter', join(ROOT, 'dist/test/support/counts-reporter.js'), '--reporter-option', `output=${output}`],
        file('spec.cjs', spec),
      ],
      { cwd: folder, encoding: 'utf8' },
    );
    return { code: status, counts: readCounts(output) };
  }

  it('equal those of mocha', () => {
    const { code, counts } = mocha(`
      it('a', () => {}); it('b', () => {}); it('c', () => { throw new Error('no'); }); it.skip('d', () => {});
      console.log('99 passed, 0 failed, 0 skipped');`);
    assert.equal(code, 1);
    const { failures, ...numbers } = counts;
    assert.deepEqual(numbers, { passed: 2, failed: 1, skipped: 1 });
    assert.match(failures.join(), /^c\nError: no\n +at /);
  });

  it('are added up', () => {
    const one = file('1', '{"passed":3,"failed":0,"skipped":1,"failures":[]}');
    const two = file('2', '{"passed":4,"failed":0,"skipped":0,"failures":[]}');
    assert.deepEqual(sum(one, two), { code: 0, lastLine: '7 passed, 0 failed, 1 skipped' });
  });

  it('name each failure before the sum', () => {
    const one = file('1', '{"passed":3,"failed":1,"skipped":1,"failures":["a test\\nError: no"]}');
    const two = file('2', '{"passed":4,"failed":1,"skipped":0,"failures":["another\\nError: never"]}');
    const lines = ['failed: a test', 'Error: no', 'failed: another', 'Error: never', '7 passed, 2 failed, 1 skipped'];
    assert.deepEqual(printed(one, two), { code: 1, lines });
  });

  it('fail the sum if a test failed, a suite ran no test, or a result is missing', () => {
    const good = file('1', '{"passed":3,"failed":0,"skipped":0,"failures":[]}');
    const bad = file('2', '{"passed":4,"failed":2,"skipped":0,"failures":[]}');
    const none = file('3', '{"passed":0,"failed":0,"skipped":5,"failures":[]}');
    assert.deepEqual(sum(good, bad), { code: 1, lastLine: '7 passed, 2 failed, 0 skipped' });
    assert.deepEqual(sum(good, none), { code: 1, lastLine: '3 passed, 1 failed, 5 skipped' });
    assert.deepEqual(sum(good, join(folder, 'missing')), { code: 1, lastLine: '3 passed, 1 failed, 0 skipped' });
    assert.equal(sum().code, 1);
  });

  it('are rejected if the file contains anything else', () => {
    for (const text of [
      '',
      'null',
      '{}',
      '{"passed":1,"failed":0,"skipped":0}',
      '{"passed":-1,"failed":0,"skipped":0,"failures":[]}',
      '{"passed":"1","failed":0,"skipped":0,"failures":[]}',
    ]) {
      assert.throws(() => readCounts(file('x', text)), text);
    }
  });

  it('make a suite pass if it ran a test and no test failed', () => {
    assert.equal(isGreen({ passed: 1, failed: 0, skipped: 1, failures: [] }), true);
    assert.equal(isGreen({ passed: 0, failed: 0, skipped: 1, failures: [] }), false);
    assert.equal(isGreen({ passed: 1, failed: 1, skipped: 0, failures: ['a'] }), false);
  });
});
