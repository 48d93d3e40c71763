import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { HEAP_FLAGS } from './guest-bus-allocation.js';

const child = fileURLToPath(new URL('./guest-bus-allocation-child.js', import.meta.url));

describe('guest bus: garbage of trapped accesses', () => {
  it('is none once warm: less than a byte an access over 100,000 of every length', () => {
    const { plain, boxed } = JSON.parse(
      execFileSync(process.execPath, [...HEAP_FLAGS, child], { encoding: 'utf8' }),
    ) as {
      plain: number;
      boxed: number;
    };
    assert.ok(plain < 1, `${plain} bytes an access`);
    assert.ok(boxed > 20, `the measure sees garbage: ${boxed} bytes an access`);
  });
});
