import type { CaseSamples } from './case.js';
import { loadCase } from './find-case.js';

/** A process of one case: `run-case.js NAME ROUNDS`, answers by one message to its parent. */
const [name = '', rounds = '15'] = process.argv.slice(2);
/** Enough for the compiler to have made its mind up. */
const WARM_UP_ROUNDS = 3;

const prepared = await (await loadCase(name)).prepare();
const subject: number[] = [];
const baseline: number[] = [];
try {
  for (let round = -WARM_UP_ROUNDS; round < Number(rounds); round++) {
    // In turns, so that what else the machine does falls on both; the first of a round changes too.
    const order = round % 2 === 0 ? (['subject', 'baseline'] as const) : (['baseline', 'subject'] as const);
    for (const side of order) {
      const costs = await prepared[side]();
      if (round >= 0) (side === 'subject' ? subject : baseline).push(...costs);
    }
  }
} finally {
  await prepared.close();
}
// Not before it is sent: a large answer takes more than one write.
process.send?.({ subject, baseline } satisfies CaseSamples, () => process.disconnect());
