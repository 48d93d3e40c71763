import assert from 'node:assert/strict';

import type { VfioError } from '../../lib/base/errors.js';
import type { ConnectionHandle, Fd, MappingHandle } from '../../lib/kernel/kernel.js';
import { addon } from '../../lib/native/addon.js';
import type { RegionHandle } from '../../lib/native/lane.js';
import { decodeRegionAccess, encodeRegionAccess } from '../../lib/vfio-user/protocol/region-access.js';
import { VFIO_USER_REGION_READ } from '../../lib/vfio-user/protocol/protocol.js';
import { encodeMessage } from '../../lib/vfio-user/protocol/header.js';
import { nextMessage, startWorker } from '../support/in-worker.js';
import { eventually } from '../support/open-fds.js';
import { collectGarbage } from '../support/own-memory.js';
import { RawClient } from '../support/raw-client.js';
import { assertNothingLeft, openDescriptors, quietResources, type Resources } from '../support/resources.js';

const PAGE = 4096;
const LEAVE_MS = 300;
const OTHERS = 8;

/** A device that never answers costs its own region, and nothing else. */
describe('a region whose reader does not come back', function () {
  this.timeout(30_000);
  let before: Resources;
  let peer: Fd;
  let connection: ConnectionHandle;
  let mapping: MappingHandle;
  let region: RegionHandle;

  beforeEach(async () => {
    // The first mapping of a process makes descriptors that stay.
    const first = mapMemory('first');
    addon.mappingEnd(first.mapping);
    addon.closeFdSync(first.fd);
    before = await quietResources();
    const [own, other] = addon.socketPair();
    peer = other;
    connection = addon.connectionOpen(own, 60_000);
    const memory = mapMemory('hung');
    mapping = memory.mapping;
    region = addon.regionCreate(2 * PAGE, 3, memory.fd, connection, 0n, 0, [[PAGE, PAGE, mapping]]);
    addon.closeFdSync(memory.fd);
  });

  it('is given up in time, keeps its file until the reader has left, and holds up no other region', async () => {
    const others = Array.from({ length: OTHERS }, () => openOther());
    const reader = startWorker('parentPort.postMessage(addon.regionRead32(workerData, 0));', region);
    const device = new RawClient(peer);
    const command = device.receive();
    assert.equal(command?.header.command, VFIO_USER_REGION_READ);

    const begun = performance.now();
    const closing = addon.regionClose(region, LEAVE_MS);
    for (const close of others) assert.equal(close(), undefined, 'no thread is inside: it is closed at once');
    assert.ok(performance.now() - begun < LEAVE_MS / 2, 'the other regions did not wait');
    assert.equal(filesOf('other'), 0);

    await assert.rejects(closing ?? Promise.resolve(), (error: VfioError) => {
      assert.deepEqual([error.code, error.syscall], ['ETIMEDOUT', 'regionClose']);
      return true;
    });
    assert.ok(performance.now() - begun >= LEAVE_MS);
    assert.equal(firstByte(mapping), 0xff, 'the memory of the device is gone');
    addon.mappingEnd(mapping);
    assert.throws(() => addon.regionRead32(region, 0), { code: 'EBADF' });
    assert.equal(filesOf('hung'), 1, 'the reader may still use the file');

    const access = decodeRegionAccess(command.payload);
    const payload = encodeRegionAccess(access, Uint8Array.of(4, 3, 2, 1));
    device.sendRaw(encodeMessage({ id: command.header.id, command: VFIO_USER_REGION_READ, type: 'reply' }, payload));
    assert.equal(await nextMessage(reader), 0x01020304);
    await eventually(() => filesOf('hung') === 0, 'the file of the region is closed');

    await addon.connectionClose(connection);
    addon.closeFdSync(peer);
    await reader.terminate();
    await collectGarbage();
    await assertNothingLeft(before, 'the region');
  });
});

function mapMemory(name: string): { fd: Fd; mapping: MappingHandle } {
  const fd = addon.memfdCreate(name, BigInt(PAGE), 0);
  return { fd, mapping: addon.mappingCreate(fd, 0n, PAGE, 3) };
}

/** Opens a mapped region over a file. @returns closes it, and returns what `regionClose` returned */
function openOther(): () => Promise<void> | undefined {
  const { fd, mapping } = mapMemory('other');
  const handle = addon.regionCreate(PAGE, 3, fd, 0, 0n, 0, [[0, PAGE, mapping]]);
  addon.closeFdSync(fd);
  return () => {
    const closed = addon.regionClose(handle);
    addon.mappingEnd(mapping);
    return closed;
  };
}

function firstByte(mapping: MappingHandle): number | undefined {
  return new Uint8Array(addon.mappingView(mapping))[0];
}

/** Counts the descriptors of a memfd. */
function filesOf(name: string): number {
  return openDescriptors().filter((each) => each.endsWith(`/memfd:${name} (deleted)`)).length;
}
