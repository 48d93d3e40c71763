import assert from 'node:assert/strict';

import { AutoBackend } from '../../../lib/backends/auto-backend.js';
import type { AttachRequest, Backend, BackendName } from '../../../lib/backends/backend.js';
import { systemError, VfioError } from '../../../lib/base/errors.js';

const REQUEST = { name: '0000:01:00.0' } as AttachRequest;
const ABSENT = systemError('ENOENT', 'open', { path: '/dev/vfio/devices/vfio0', hint: 'a kernel before 6.6' });

function failing(name: BackendName, error: Error): Backend {
  return { name, attach: () => Promise.reject(error) };
}

async function failureOf(...backends: Backend[]): Promise<unknown> {
  const failure: unknown = await new AutoBackend(backends).attach(REQUEST).catch((error: unknown) => error);
  return failure;
}

describe('the backend auto', () => {
  it('throws an error of the device as it is: the backends before have nothing to do with it', async () => {
    for (const code of ['EBUSY', 'EPERM', 'ENOMEM'] as const) {
      const own = systemError(code, 'ioctl(VFIO_GROUP_SET_CONTAINER)', { hint: 'of the device' });
      assert.equal(await failureOf(failing('iommufd', ABSENT), failing('container', own)), own);
      assert.equal(await failureOf(failing('iommufd', own), failing('container', ABSENT)), own);
    }
    const gone = systemError('ENODEV', 'vfio-user(DEVICE_GET_REGION_INFO)', { hint: 'the server left' });
    assert.equal(await failureOf(failing('iommufd', ABSENT), failing('container', gone)), gone);
    const other = new TypeError('not of a call');
    assert.equal(await failureOf(failing('iommufd', ABSENT), failing('container', other)), other);
  });

  it('explains why each backend was left if none can be used', async () => {
    const denied = systemError('EACCES', 'open', { path: '/dev/vfio/26', hint: 'chown it' });
    const failure = await failureOf(failing('iommufd', ABSENT), failing('container', denied));
    assert.ok(failure instanceof VfioError && failure.cause instanceof AggregateError);
    assert.deepEqual(
      [failure.code, failure.path, failure.hint],
      [
        'EACCES',
        '/dev/vfio/26',
        "chown it; tried by container; iommufd was left: ENOENT: open '/dev/vfio/devices/vfio0' (a kernel before 6.6)",
      ],
    );
    assert.deepEqual(failure.cause.errors, [ABSENT, denied]);
  });
});
