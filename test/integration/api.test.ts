import assert from 'node:assert/strict';

import { checkApi } from '../api/report.js';

describe('the public interface', function () {
  this.timeout(60_000);

  it('is the one in test/api/reports, exports every type that it names, and is documented', () => {
    const { changed, errors } = checkApi(false);
    assert.deepEqual(errors, []);
    assert.deepEqual(changed, [], 'record the change: npm run api');
  });
});
