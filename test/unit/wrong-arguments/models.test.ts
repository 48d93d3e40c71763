import { readdirSync } from 'node:fs';
import assert from 'node:assert/strict';

import { serveModel } from '../../../lib/models/hosting/serve-model.js';
import { startModel } from '../../../lib/models/hosting/start-model.js';
import { refuses } from '../../support/wrong-arguments.js';

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
      ['no model', 'startModel', [], /^spec is undefined/],
      ['a null spec', 'startModel', [null], /^spec is null/],
      ['a name as the spec', 'startModel', ['edu'], /^spec is 'edu'/],
      ['a spec without a model', 'startModel', [{}], /^`model` must be edu, testdev, .* Received undefined$/],
      ['an unknown model', 'startModel', [{ model: 'nonesuch' }], /^`model` must be .* Received 'nonesuch'$/],
      ['null options', 'startModel', [{ model: 'edu' }, null], /^the options are null/],
      ['an unknown isolation', 'startModel', [{ model: 'edu' }, { isolation: 'fork' }], /^isolation is 'fork'/],
      ['no model', 'serveModel', [], /^spec is undefined/],
      ['a number for a model', 'serveModel', [{ model: 5 }, { path: '/tmp/x' }], /^`model` must be .* Received 5$/],
      ['no place', 'serveModel', [{ model: 'edu' }], /^where is undefined/],
      ['a place without a path', 'serveModel', [{ model: 'edu' }, {}], /^path is undefined/],
      ['a number for a path', 'serveModel', [{ model: 'edu' }, { path: 1 }], /^path is 1/],
      [
        'a signal that is none',
        'serveModel',
        [{ model: 'edu' }, { path: '/tmp/x', signal: {} }],
        /^signal is an object/,
      ],
    ],
  );
});
