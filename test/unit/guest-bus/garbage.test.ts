import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { HEAP_FLAGS } from './garbage-per-access.js';

const child = fileURLToPath(new URL('./garbage-child.js', import.meta.url));

describe('guest bus: memory that trapped accesses allocate', () => {
  it('is less than one byte an access once compiled, over 100,000 accesses of every length', function () {
    this.timeout(60_000);
    const text = execFileSync(process.execPath, [...HEAP_FLAGS, child], { encoding: 'utf8' });
    const { boxed, ...others } = JSON.parse(text) as Record<string, number>;
    for (const [name, bytes] of Object.entries(others)) assert.ok(bytes < 1, `${name}: ${bytes} bytes an access`);
    assert.deepEqual(Object.keys(others), ['plain', 'mapped', 'trapped']);
    assert.ok((boxed ?? 0) > 20, `the measure sees garbage: ${boxed} bytes an access`);
  });
});
