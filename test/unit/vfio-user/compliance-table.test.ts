import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import * as commands from '../../../lib/uapi/vfio-user.js';

const ROOT = new URL('../../../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8');

/** The rows of the table of commands: the commands of a row, and the tests that it names, as file and title. */
function table(): { names: string[]; tests: (readonly [file: string, title: string])[] }[] {
  const section = read('lib/vfio-user/README.md').split('## Commands')[1] ?? '';
  const rows = section.split('\n').filter((line) => /^\| [A-Z]/.test(line) && !line.startsWith('| Command'));
  return rows.map((row) => {
    const names = (row.split('|')[1] ?? '').trim().split(', ');
    const tests = [...row.matchAll(/([a-z-]+): "([^"]+)"/g)].map(([, file = '', title = '']) => [file, title] as const);
    return { names, tests };
  });
}

describe('the table of vfio-user commands', () => {
  it('has every command', () => {
    const numbers = Object.entries(commands).filter(([name]) =>
      /^VFIO_USER_(VERSION|DMA_(UN)?MAP|DMA_READ|DMA_WRITE|DEVICE_\w+|REGION_\w+)$/.test(name),
    );
    const names = numbers.map(([name]) => name.replace('VFIO_USER_', '')).sort();
    assert.deepEqual(
      table()
        .flatMap((row) => row.names)
        .sort(),
      names,
    );
    assert.equal(new Set(numbers.map(([, number]) => number)).size, 15);
  });

  it('names tests that exist', () => {
    for (const { names, tests } of table()) {
      assert.ok(tests.length > 0, `${names.join()} has a test`);
      for (const [file, title] of tests) {
        const folder = file.startsWith('model-server') ? 'test/integration' : 'test/unit/vfio-user';
        assert.ok(read(`${folder}/${file}.test.ts`).includes(`'${title}'`), `${file}: ${title}`);
      }
    }
  });
});
