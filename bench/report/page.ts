import type { BenchReport } from '../harness/report-file.js';
import { axis, chart, MARK_HEIGHT, sample } from './chart.js';
import { groupsOf, type Group, type Mark, type Row } from './rows.js';

/** A run with the name of its file. */
export interface NamedRun {
  readonly label: string;
  readonly report: BenchReport;
}

/** Makes the page: one HTML file that needs nothing else. */
export function page(runs: readonly NamedRun[]): string {
  const groups = groupsOf(runs.map(({ report }) => report));
  const marks = groups.flatMap(({ rows }) => rows.flatMap((row) => row.marks));
  const over = marks.filter(({ meets }) => !meets).length;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>vfio-engine: benchmark</title>
<style>${STYLE}</style>
</head>
<body>
<h1>vfio-engine beside C</h1>
<p>Under a case stands what is compared. Each mark is a cost as a share of what its bar allows: left of the line it
meets the bar. The line from a mark ends at the 99th percentile. ${marks.length - over} of ${marks.length} results meet their bars${over === 0 ? '' : `, ${over} do not`}.</p>
<ul>${runs.map(legend).join('')}</ul>
<table>
<thead><tr><th>case</th><th>${axis()}</th>${['ratio', 'bar', 'here', 'against', 'spread'].map((head) => `<th class="number">${head}</th>`).join('')}</tr></thead>
${groups.map(section).join('\n')}
</table>
</body>
</html>
`;
}

function legend({ label, report }: NamedRun, run: number): string {
  const facts = [report.cpu, `Node.js ${report.node}`, `commit ${report.commit.slice(0, 12)}`, report.date ?? ''];
  const known = facts.filter((fact) => fact !== '').map(escape);
  return `<li>${sample(run)} <b>${escape(label)}</b>: ${known.join(', ')}</li>`;
}

function section({ title, rows }: Group): string {
  return `<tbody><tr><th class="group" colspan="7">${escape(title)}</th></tr>\n${rows.map(line).join('\n')}</tbody>`;
}

function line(row: Row): string {
  const cells = (give: (mark: Mark) => string): string => `<td class="number">${row.marks.map(give).join('<br>')}</td>`;
  const { title, comparison } = (row.marks[0] as Mark).result;
  const compared = comparison === undefined ? 'here with C' : comparison;
  const said = escape(title === undefined ? compared : `${title}: ${compared}`);
  return `<tr><td><span class="name">${escape(row.name)}</span><small>${said}</small></td><td>${chart(row)}</td>${[
    cells(
      ({ meets, result }) =>
        `<span class="${meets ? 'meets' : 'over'}">${ratio(result.ratio)} ${meets ? '✓' : '✗ over'}</span>`,
    ),
    `<td class="number">${escape(row.bar)}</td>`,
    cells(({ result }) => cost(result.value, result.unit)),
    cells(({ result }) => cost(result.baseline, result.unit)),
    cells(({ result: { spread } }) => `${percent(spread.subject)} / ${percent(spread.baseline)}`),
  ].join('')}</tr>`;
}

function ratio(value: number): string {
  return value < 0.1 ? value.toPrecision(2) : value.toFixed(2);
}

const UNITS = ['ns', 'us', 'ms'];

/** In the unit in which it is shortest. */
function cost(value: number, unit: string): string {
  const next = UNITS[UNITS.indexOf(unit) + 1];
  if (value >= 10_000 && UNITS.includes(unit) && next !== undefined) return cost(value / 1000, next);
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${escape(unit === 'us' ? 'µs' : unit)}`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

const STYLE = `
:root { color-scheme: light dark; --text: #1d2329; --quiet: #66707a; --line: #d9dee3; --back: #fff; --meets: #0b6e99; --over: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --text: #e4e8ec; --quiet: #98a2ac; --line: #363d44; --back: #15191d; --meets: #62bbe0; --over: #ff8a80; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back); margin: 2rem auto; max-width: 1120px; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; } p { max-width: 75ch; } ul { list-style: none; padding: 0; color: var(--quiet); }
table { border-collapse: collapse; width: 100%; } td, th { padding: 1px 10px; text-align: left; font-weight: normal; white-space: nowrap; vertical-align: middle; }
thead th { color: var(--quiet); vertical-align: bottom; } th.group { padding-top: 1.1rem; font-weight: 600; border-bottom: 1px solid var(--line); }
.name { font-family: ui-monospace, monospace; font-size: 13px; } .number { text-align: right; line-height: ${MARK_HEIGHT}px; font-variant-numeric: tabular-nums; }
small { display: block; color: var(--quiet); font-size: 11px; line-height: 1.25; white-space: normal; max-width: 230px; padding-bottom: 3px; }
svg { display: block; } li svg { display: inline-block; vertical-align: -2px; } .chart text { font-size: 11px; fill: var(--quiet); } .chart text.bar { fill: var(--text); font-weight: 600; }
.grid { stroke: var(--line); } line.bar { stroke: var(--text); stroke-width: 1.5; }
g.meets { fill: var(--meets); stroke: var(--meets); } g.over { fill: var(--over); stroke: var(--over); } g.sample { fill: var(--quiet); }
span.meets { color: var(--meets); } span.over { color: var(--over); font-weight: 600; }
`;
