import { readdirSync } from 'node:fs';
import assert from 'node:assert/strict';

import { serveModel } from '../../../lib/models/hosting/serve-model.js';
import { startModel } from '../../../lib/models/hosting/start-model.js';
import { refuses } from '../../support/wrong-arguments.js';

const EDU = { model: 'edu' };
const PLACE = { path: '/tmp/never-made.sock' };
const MODEL = 'edu, testdev, or the path or URL of a module';

const openFds = (): number => readdirSync('/proc/self/fd').length;

describe('wrong arguments of model functions', () => {
  let before: number;
  beforeEach(() => {
    before = openFds();
  });
  afterEach(() => assert.equal(openFds(), before, 'no descriptor is left open'));

  refuses(
    () => ({ startModel, serveModel }),
    [
      ['no spec', 'startModel', [], '`spec` must be an object. Received undefined'],
      ['a null spec', 'startModel', [null], '`spec` must be an object. Received null'],
      ['a name as the spec', 'startModel', ['edu'], "`spec` must be an object. Received 'edu'"],
      ['a spec without a model', 'startModel', [{}], `\`model\` must be ${MODEL}. Received undefined`],
      ['an unknown model', 'startModel', [{ model: 'nonesuch' }], `\`model\` must be ${MODEL}. Received 'nonesuch'`],
      ['null options', 'startModel', [EDU, null], '`options` must be an object. Received null'],
      [
        'an unknown isolation',
        'startModel',
        [EDU, { isolation: 'fork' }],
        "`isolation` must be 'thread' or 'process'. Received 'fork'",
      ],
      ['no spec', 'serveModel', [], '`spec` must be an object. Received undefined'],
      ['a number as the model', 'serveModel', [{ model: 5 }, PLACE], `\`model\` must be ${MODEL}. Received 5`],
      ['no place', 'serveModel', [EDU], '`where` must be an object. Received undefined'],
      ['a place without a path', 'serveModel', [EDU, {}], '`path` must be a string. Received undefined'],
      ['a number as the path', 'serveModel', [EDU, { path: 1 }], '`path` must be a string. Received 1'],
      ['an object as the signal', 'serveModel', [EDU, { ...PLACE, signal: {} }], /^`signal` must be .*AbortSignal/],
    ],
  );
});
