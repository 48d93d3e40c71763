import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import { LANE, WORKER } from '../../../lib/layout/lane.js';
import { Op, SLOT } from '../../../lib/layout/slot.js';

const header = readFileSync(new URL('../../../../native/lane/layout.h', import.meta.url), 'utf8');

/** The offsets that C++ asserts for a structure when it is compiled, by the names of TypeScript. */
function assertedOffsets(structure: string): Record<string, number> {
  const assertions = header.matchAll(
    new RegExp(`static_assert\\(offsetof\\(${structure}, (\\w+)\\) == (\\d+)\\)`, 'g'),
  );
  return Object.fromEntries([...assertions].map(([, field = '', offset]) => [camelCase(field), Number(offset)]));
}

function assertedSize(structure: string): number {
  return Number(new RegExp(`static_assert\\(sizeof\\(${structure}\\) == (\\d+)`).exec(header)?.[1]);
}

/** `buffer_offset` is `bufferOffset`; the unit at the end of a C++ name is left out. */
function camelCase(field: string): string {
  return field.replace(/_us$/, '').replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

describe('the layout of a lane in shared memory', () => {
  it('has the same offsets in TypeScript and in C++', () => {
    const { size, ...fields } = SLOT;
    const { slotsOffset, ...indexes } = LANE;
    assert.deepEqual(assertedOffsets('Slot'), fields);
    assert.equal(assertedSize('Slot'), size);
    assert.deepEqual(assertedOffsets('LaneHeader'), indexes);
    assert.equal(assertedSize('LaneHeader'), slotsOffset);
    assert.deepEqual(assertedOffsets('WorkerControl'), WORKER);
  });

  it('has the same operation codes in TypeScript as in C++', () => {
    const codes = [...header.matchAll(/^ {2}k([A-Z]\w*) = (\d+),/gm)];
    const byName = codes.map(([, name = '', code]) => [name.charAt(0).toLowerCase() + name.slice(1), Number(code)]);
    assert.deepEqual(Object.fromEntries(byName), { none: 0, ...Op });
  });
});
