import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { BenchCase } from '../../../bench/harness/case.js';
import { compareReports } from '../../../bench/harness/compare.js';
import { type BenchReport, readReport } from '../../../bench/harness/report-file.js';
import { barOf, meetsBar, toResult, type CaseResult } from '../../../bench/harness/result.js';
import { page } from '../../../bench/report/page.js';
import { groupsOf } from '../../../bench/report/rows.js';

function result(name: string, fields: Partial<CaseResult> = {}): CaseResult {
  const measured = { value: 20, baseline: 10, ratio: 2, p50: 20, p99: 40, spread: { subject: 0.01, baseline: 0.01 } };
  return { name, unit: 'ns', ...measured, ...fields };
}

function report(...cases: CaseResult[]): BenchReport {
  return { commit: 'a'.repeat(40), node: 'v20.20.2', cpu: 'a <CPU>', date: '2026-11-21T05:00:00.000Z', cases };
}

describe('results of the benchmark', () => {
  const benchCase: BenchCase = {
    ...{ name: 'case', title: 'a case', unit: 'ns', bar: 1.5 },
    prepare: () => Promise.reject(new Error('not run')),
  };

  it('are the values of both sides, their ratio and spreads, and percentiles of the subject', () => {
    const subject = { value: 10, spread: 0.1, costs: [9, 10, 11, 10, 1000] };
    const row = toResult(benchCase, { subject, baseline: { value: 5, spread: 0, costs: [5, 5, 5] } });
    assert.deepEqual([row.value, row.baseline, row.ratio, row.p50], [10, 5, 2, 10]);
    assert.ok(row.p99 > 900);
    assert.deepEqual(row.spread, { subject: 0.1, baseline: 0 });
    assert.deepEqual([barOf(row), meetsBar(row)], ['1.5', false]);
  });

  it('meet a bar of a ratio, or of what comes on top', () => {
    assert.equal(meetsBar(result('a', { bar: 2 })), true);
    assert.equal(meetsBar(result('a', { bar: 1.99 })), false);
    const above = result('a', { barAbove: 10 });
    assert.deepEqual([barOf(above), meetsBar(above)], ['+10 ns', true]);
    assert.equal(meetsBar(result('a', { barAbove: 9 })), false);
    assert.deepEqual([barOf(result('a')), meetsBar(result('a'))], ['', true]);
  });

  describe('compared with those of before', () => {
    const before = report(result('one'), result('gone'));

    it('name what got worse by more than the spreads', () => {
      assert.match(
        compareReports(before, report(result('one', { ratio: 2.3 }), result('gone'))),
        /^worse {2}one: ratio 2\.00 -> 2\.30/,
      );
      assert.match(
        compareReports(before, report(result('one', { ratio: 2.05 }), result('gone'))),
        /^nothing got worse/,
      );
    });

    it('take a noisy run for what it is', () => {
      const noisy = result('one', { ratio: 2.3, spread: { subject: 0.1, baseline: 0 } });
      assert.match(compareReports(before, report(noisy, result('gone'))), /^nothing got worse/);
      const worse = compareReports(before, report({ ...noisy, ratio: 3 }, result('gone')));
      assert.equal(worse, 'worse  one: ratio 2.00 -> 3.00, 50 % more where 30 % may be chance');
    });

    it('name what is new and what is gone', () => {
      const lines = compareReports(before, report(result('one'), result('new'))).split('\n');
      assert.deepEqual(lines, ['new    new: ratio 2.00', 'absent gone']);
      assert.match(compareReports(before, report(result('one')), ['one']), /^nothing got worse/);
      assert.equal(compareReports(before, report(result('one')), ['one', 'gone']), 'absent gone');
    });
  });

  describe('as a page', () => {
    it('stand in their groups, each once, in every run that has them', () => {
      const groups = groupsOf([report(result('lane-x'), result('view-x'), result('odd')), report(result('lane-x'))]);
      assert.deepEqual(
        groups.map(({ title, rows }) => [
          title,
          rows.map(({ name, marks }) => `${name} ${marks.map(({ run }) => run).join()}`),
        ]),
        [
          ['Registers, on the calling thread', ['view-x 0']],
          ['Lanes to a worker', ['lane-x 0,1']],
          ['Further cases', ['odd 0']],
        ],
      );
    });

    it('are shares of the bar', () => {
      const shares = (fields: Partial<CaseResult>): number[] =>
        groupsOf([report(result('view-x', fields))]).flatMap(({ rows }) =>
          rows.flatMap(({ marks }) => marks.flatMap(({ share, share99 }) => [share, share99])),
        );
      assert.deepEqual(shares({ bar: 4 }), [0.5, 1]);
      assert.deepEqual(shares({ barAbove: 20 }), [0.5, 1.5]);
      assert.deepEqual(shares({ barAbove: 20, value: 5 }), [0, 1.5]);
      assert.deepEqual(shares({}), [2, 4]);
    });

    it('need nothing but the file, and say over what is over', () => {
      const html = page([
        { label: 'a & b', report: report(result('view-x', { bar: 1 }), result('view-y', { bar: 3 })) },
      ]);
      assert.doesNotMatch(html, /https?:|<script|NaN|undefined/);
      assert.equal(html.match(/✗ over/g)?.length, 1);
      assert.match(html, /1 of 2 results meet their bars, 1 do not/);
      assert.match(html, /a &#38; b.*a &#60;CPU&#62;/);
    });
  });

  describe('read from a file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'vfio-bench-'));
    after(() => rmSync(folder, { recursive: true }));

    it('come back as they were written', () => {
      const path = join(folder, 'good.json');
      writeFileSync(path, JSON.stringify(report(result('one'))));
      assert.deepEqual(readReport(path), report(result('one')));
    });

    it('are refused by the name of the file', () => {
      const path = join(folder, 'bad.json');
      for (const content of [
        '{',
        'null',
        '{}',
        '{"commit":"","node":"","cpu":"","cases":[{"name":"a","unit":"ns"}]}',
      ]) {
        writeFileSync(path, content);
        assert.throws(() => readReport(path), { message: /bad\.json/ }, content);
      }
      assert.throws(() => readReport(join(folder, 'none.json')), { message: /none\.json.*ENOENT/ });
    });
  });
});
