import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import type { ExhaustionRound } from '../../../support/exhaustion.js';
import { BDF } from '../../devices.js';
import { bind, restore } from '../../support/binding.js';

const CHILD = fileURLToPath(new URL('../../support/exhaustion-child.js', import.meta.url));

/** As test/integration/exhaustion.test.ts on the software core. */
describe('an attach on the real kernel while descriptors run out', function () {
  this.timeout(120_000);
  before(() => bind(BDF.edu));
  after(() => restore(BDF.edu));

  for (const backend of ['container', 'iommufd']) {
    it(`answers EMFILE for every count of free descriptors, with the backend ${backend}`, () => {
      const command = ['--nofile=128:128', process.execPath, CHILD, BDF.edu, backend];
      const { status, stdout, stderr } = spawnSync('prlimit', command, { encoding: 'utf8', timeout: 110_000 });
      assert.equal(status, 0, `${stdout.slice(-500)}\n${stderr}`);
      const rounds = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as ExhaustionRound);
      for (const { left, error } of rounds.slice(0, -1)) assert.match(error ?? '', /^EMFILE: /, `${left} free`);
      assert.ok(rounds.length > 4, `only ${rounds.length} counts`);
      assert.equal(rounds.at(-1)?.error, undefined);
    });
  }
});
