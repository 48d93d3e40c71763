import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { readReports } from '../../sanitize/reports.js';

const NODE_LEAK = [
  '==node==1==ERROR: LeakSanitizer: detected memory leaks',
  '',
  'Direct leak of 1344 byte(s) in 7 object(s) allocated from:',
  '    #0 0x7ff2 in operator new[](unsigned long) asan_new_delete.cpp:98',
  '    #1 0x11a0 in v8::internal::Page::AllocateFreeListCategories() (/usr/bin/node+0x11a06f2)',
  '',
];
const ADDON_LEAK = [
  'Indirect leak of 16 byte(s) in 1 object(s) allocated from:',
  '    #0 0x7ff2 in operator new(unsigned long) asan_new_delete.cpp:95',
  '    #1 0x7f44 in vfio_engine::CreateMemfd(char const*, unsigned long, unsigned long) ../memory/memfd.cc:24',
  '    #2 0x7f44 in MemfdCreate ../memory/register.cc:86',
  '',
];

describe('the reports of the sanitizers', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'vfio-engine-reports-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const read = (...lines: string[]): string[] => {
    writeFileSync(join(folder, 'asan.node.1'), lines.join('\n'));
    return readReports(folder);
  };

  it('have no leaks of Node.js', () => assert.deepEqual(read(...NODE_LEAK), []));

  it('have no leaks of what Node.js allocated for a call of the addon', () => {
    const node = '    #1 0xc50 in napi_create_external (/usr/bin/node+0xc50413)';
    assert.deepEqual(read(...ADDON_LEAK.toSpliced(2, 0, node)), []);
  });

  it('have the leaks of the addon, with their stacks', () => {
    const reports = read(...NODE_LEAK, ...ADDON_LEAK);
    assert.equal(reports.length, 1);
    assert.match(reports[0] ?? '', /^asan\.node\.1: Indirect leak of 16 byte.*\n.*\n.*vfio_engine::CreateMemfd/);
  });

  it('have the leaks of the addon without symbols', () => {
    const frame = '    #1 0x7f44  (/cache/native/build/Release/vfio_engine.node+0x1234)';
    assert.equal(read(ADDON_LEAK[0] ?? '', ADDON_LEAK[1] ?? '', frame, '').length, 1);
  });

  it('have every error, wherever it was', () => {
    const stack = ['    #0 0x1 in main', ''];
    const errors = [
      '==1==ERROR: AddressSanitizer: heap-use-after-free on address',
      'lane.cc:1:2: runtime error: overflow',
    ];
    assert.equal(read(...errors.flatMap((line) => [line, ...stack])).length, 2);
  });
});
