// `npm run bench:guest -- [--json FILE] [case...]`: the cases on real VFIO regions, and what only the real kernel has.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Command } from 'commander';

const here = dirname(fileURLToPath(import.meta.url));
/** Some cases map 1 GiB. */
const MEMORY_MIB = 4096;
const command = new Command('bench:guest')
  .description('Boots a guest and measures every case in it, on a region of the real kernel.')
  .argument('[case...]', 'names of cases; all when none is given')
  .option('--json <file>', 'write the results to a file')
  .option('--rounds <count>', 'how often each side is measured', '7')
  .parse();
const { json, rounds } = command.opts<{ json?: string; rounds: string }>();

const out = mkdtempSync(join(tmpdir(), 'vfio-bench-'));
try {
  const report = join(out, 'report.json');
  const options = ['--deadline', '3600', '--memory', String(MEMORY_MIB), '--out', out];
  const guest = [join(here, '../test/guest/run.js'), ...options, '--'];
  const inside = ['node', join(here, 'guest-main.js'), '--rounds', rounds, '--json', report, ...command.args];
  const { status } = spawnSync(process.execPath, [...guest, ...inside], { stdio: 'inherit' });
  process.exitCode = status ?? 1;
  if (json !== undefined && existsSync(report)) copyFileSync(report, json);
} finally {
  rmSync(out, { recursive: true, force: true });
}
