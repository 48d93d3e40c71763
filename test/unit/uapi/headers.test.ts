import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as iommufd from '../../../lib/uapi/iommufd.js';
import * as pci from '../../../lib/uapi/pci.js';
import * as vfio from '../../../lib/uapi/vfio.js';

const HEADERS = '/usr/include';

/** Compiles and runs a C program that prints the values of names in a header. */
function valuesOf(header: string, names: readonly string[]): Map<string, bigint> {
  const folder = mkdtempSync(join(tmpdir(), 'vfio-engine-uapi-'));
  try {
    const program = join(folder, 'values');
    const lines = names.map((name) => `printf("${name} %lld\\n", (long long)(${name}));`);
    const source = `#include <stdio.h>\n#include <${header}>\nint main(void) { ${lines.join('\n')} return 0; }\n`;
    execFileSync('cc', ['-x', 'c', '-w', '-o', program, '-'], { input: source });
    const output = execFileSync(program, { encoding: 'utf8' }).trimEnd();
    return new Map(
      output.split('\n').map((line) => [line.split(' ')[0] ?? '', low32(BigInt(line.split(' ')[1] ?? ''))]),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The bits that JavaScript's operators use: a mask of the upper bits is negative there, and can be unsigned in C. */
function low32(value: bigint): bigint {
  return BigInt.asUintN(32, value);
}

describe('the constants of vfio-engine/uapi', () => {
  for (const [header, constants, fewest] of [
    ['linux/vfio.h', vfio, 60],
    ['linux/iommufd.h', iommufd, 5],
    ['linux/pci_regs.h', pci, 60],
  ] as const) {
    // linux/iommufd.h came with Linux 6.2.
    if (!existsSync(join(HEADERS, header))) continue;
    it(`have the values of ${header}`, () => {
      // The header of an older kernel does not have all names.
      const known = new Set(readFileSync(join(HEADERS, header), 'utf8').match(/\b[A-Z]\w+\b/g));
      const names = Object.keys(constants).filter((name) => known.has(name));
      assert.ok(names.length >= fewest, `${names.length} names`);
      const expected = Object.fromEntries(valuesOf(header, names));
      const actual = names.map((name) => [
        name,
        low32(BigInt((constants as Record<string, number | bigint>)[name] as number)),
      ]);
      assert.deepEqual(Object.fromEntries(actual), expected);
    });
  }
});
