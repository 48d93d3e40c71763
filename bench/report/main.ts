// `npm run bench:report -- FILE...`: a page of charts of what `npm run bench -- --json FILE` and `bench:guest` measured.
import { writeFileSync } from 'node:fs';
import { basename } from 'node:path';

import { Command } from 'commander';

import { page } from './page.js';
import { readReport } from '../harness/report-file.js';

const command = new Command('bench:report')
  .description('Makes a page of charts, one HTML file, of the results of one or more runs.')
  .argument('<file...>', 'results: of `npm run bench -- --json FILE`, of `npm run bench:guest -- --json FILE`')
  .option('--out <file>', 'where the page goes', 'bench.html')
  .parse();

const { out } = command.opts<{ out: string }>();
try {
  const runs = command.args.map((file) => ({ label: basename(file, '.json'), report: readReport(file) }));
  writeFileSync(out, page(runs));
  console.log(`${out}: ${runs.length} ${runs.length === 1 ? 'run' : 'runs'}`);
} catch (error) {
  command.error(`error: ${(error as Error).message}`);
}
