import { Command } from 'commander';

import { runAddressSanitizer } from './asan.js';
import { runThreadSanitizer } from './tsan.js';

interface Options {
  readonly only?: string;
  readonly quick?: true;
  readonly seconds: string;
}

const command = new Command('sanitize')
  .description('Runs the addon under AddressSanitizer, LeakSanitizer, UBSan and ThreadSanitizer.')
  .option('--only <part>', 'asan (the suite and the stress) or tsan (the threads of the addon without Node.js)')
  .option('--quick', 'a part of the suite, and a short stress')
  .option('--seconds <count>', 'how long the stress and the threads run', '30');

process.exitCode = await main(command.parse().opts<Options>());

async function main({ only, quick, seconds }: Options): Promise<number> {
  if (only !== undefined && only !== 'asan' && only !== 'tsan') command.error('--only must be asan or tsan');
  if (!(Number(seconds) > 0)) command.error('--seconds must be above 0');
  const results: boolean[] = [];
  if (only !== 'asan') results.push(await runThreadSanitizer(Number(seconds)));
  if (only !== 'tsan') results.push(await runAddressSanitizer({ quick: quick === true, seconds: Number(seconds) }));
  return results.every(Boolean) ? 0 : 1;
}
