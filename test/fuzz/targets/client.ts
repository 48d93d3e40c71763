/**
 * The methods of the vfio-user client, over forged replies: each resolves, or rejects with a VfioError. Every descriptor
 * that came is closed once or returned to the caller. The native half of the client has a target of its own.
 *
 * An input is replies, each with a byte of errno, a byte of descriptors, a length and a payload. Replies that are missing
 * are errors.
 */
import assert from 'node:assert/strict';

import { systemError, VfioError } from '../../../lib/base/errors.js';
import type { Fd } from '../../../lib/kernel/kernel.js';
import { addon } from '../../../lib/native/addon.js';
import { VFIO_IRQ_SET_DATA_EVENTFD } from '../../../lib/uapi/vfio.js';
import { VfioUserClient } from '../../../lib/vfio-user/client/vfio-user-client.js';
import * as wire from '../../../lib/vfio-user/protocol/protocol.js';
import { Input } from '../input.js';

/** Forged descriptors have numbers that no open file has. */
const FIRST_FD = 1 << 20;

let input = new Input(new Uint8Array());
let nextFd = FIRST_FD;
const open = new Set<Fd>();

Object.assign(addon, {
  connectionOpen: () => 1,
  connectionSetMaxTransfer: () => undefined,
  connectionClose: () => Promise.resolve(),
  closeFdSync: (fd: Fd) => assert.ok(open.delete(fd), 'a descriptor is closed that is not open'),
  connectionRequest: () => Promise.resolve().then(forgedReply),
} satisfies Partial<typeof addon>);

function forgedReply(): { payload: Uint8Array; fds: Fd[] } {
  const errno = input.left === 0 ? 19 : input.u8() % 64;
  if (errno >= 1 && errno < 32) throw systemError(errno, 'vfio-user');
  const fds = Array.from({ length: input.u8() % 4 }, () => nextFd++);
  for (const fd of fds) open.add(fd);
  return { payload: input.bytes(input.u8()), fds };
}

const VERSION = wire.encodeVersion({ major: 0, minor: 0, capabilities: wire.DEFAULT_CAPABILITIES });

const operations: readonly ((client: VfioUserClient) => Promise<unknown>)[] = [
  (client) => client.deviceInfo(),
  (client) => client.regionInfo(2),
  (client) => client.irqInfo(1),
  (client) => client.setIrqs({ flags: 4 | 32, index: 2, start: 0, count: 3, eventfds: [5, -1, 6] }),
  (client) => client.setIrqs({ flags: VFIO_IRQ_SET_DATA_EVENTFD, index: 2, start: 0, count: 2, eventfds: [-1] }),
  (client) => client.reset(),
  (client) => client.dmaMap({ flags: 3, fdOffset: 0n, iova: 0n, size: 4096n }, 7),
  (client) => client.dmaUnmap({ iova: 0n, size: 4096n }),
  (client) => client.regionRead(0, 16, 40),
  (client) => client.regionWrite(0, 16, new Uint8Array(40)),
];

export const seeds: readonly Uint8Array[] = [
  seed(0, wire.encodeDeviceInfo({ flags: 3, numRegions: 9, numIrqs: 5 })),
  seed(1, wire.encodeRegionInfo({ index: 2, flags: 7, size: 8192n, offset: 0n, capabilities: {} }, 32), 1),
  seed(2, wire.encodeIrqInfo({ flags: 1, index: 1, count: 4 })),
  seed(8, wire.encodeRegionAccess({ regionIndex: 0, regionOffset: 16, count: 40 }, new Uint8Array(40))),
  seed(9, wire.encodeRegionAccess({ regionIndex: 0, regionOffset: 16, count: 40 })),
];

export async function fuzz(bytes: Uint8Array): Promise<void> {
  input = new Input(bytes);
  nextFd = FIRST_FD;
  open.clear();
  const client = await settle(VfioUserClient.connect(3));
  for (let calls = 0; client !== undefined && input.left > 0 && calls < 8; calls++) {
    const result = await settle(operations[input.u8() % operations.length]?.(client) ?? Promise.resolve());
    check(result);
    assert.equal(open.size, 0, 'every descriptor is closed or returned');
  }
  assert.equal(open.size, 0, 'every descriptor is closed');
}

/** Returns what a call resolves to, undefined if it fails as it may. */
async function settle<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    assert.ok(error instanceof VfioError, `a call failed with ${String(error)}`);
    return undefined;
  }
}

/** Looks at a result, and takes the descriptor that it returns. */
function check(result: unknown): void {
  if (typeof result === 'number') assert.ok(result >= 0 && result <= 40, 'no more is written than was asked for');
  if (result instanceof Uint8Array) assert.ok(result.length <= 40, 'no more is read than was asked for');
  if (typeof result === 'object' && result !== null && 'fd' in result) open.delete(result.fd as Fd);
}

/** The reply to VERSION, and a reply to the operation of this number. */
function seed(operation: number, payload: Uint8Array, fds = 0): Uint8Array {
  return Uint8Array.from([0, 0, VERSION.length, ...VERSION, operation, 0, fds, payload.length, ...payload]);
}
