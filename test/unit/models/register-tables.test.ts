import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import { EDU_REG } from '../../../lib/models/edu/registers.js';
import { PORT, REG } from '../../../lib/models/testdev/layout.js';

/** Reads the rows "| 0x.. | NAME |" of a model's README, the rows after `heading` only. */
function rows(model: string, heading: string): Record<string, number> {
  const text = readFileSync(new URL(`../../../../lib/models/${model}/README.md`, import.meta.url), 'utf8');
  const section = text.slice(text.indexOf(heading)).split(/^## /m)[heading.startsWith('## ') ? 1 : 0] ?? '';
  const found = [...section.matchAll(/^\| (0x[0-9a-f]+) +\| ([A-Z0-9_]+) +\|/gm)];
  return Object.fromEntries(found.map(([, offset, name = '']): [string, number] => [name, Number(offset)]));
}

describe('the register tables of the models', () => {
  it('has the offsets of edu', () => {
    assert.deepEqual(rows('edu', '# edu'), EDU_REG);
  });

  it('has the offsets of testdev', () => {
    const registers = Object.fromEntries(Object.entries(REG).filter(([name]) => !name.endsWith('_END')));
    assert.deepEqual(rows('testdev', '## Registers'), registers);
    assert.deepEqual(rows('testdev', '## Ports'), {
      SCRATCH: 0,
      INDEX: PORT.INDEX,
      DATA: PORT.DATA,
      TOTAL: PORT.TOTAL,
    });
  });
});
