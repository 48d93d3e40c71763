import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { addon } from '../../../lib/native/addon.js';
import { encodeMessage, HEADER_SIZE } from '../../../lib/vfio-user/protocol/protocol.js';

const openFds = () => readdirSync('/proc/self/fd').length;
const command = (payload: Uint8Array) => encodeMessage({ id: 7, command: 9, type: 'command' }, payload);

describe('vfio-user sockets', () => {
  let left: number;
  let right: number;
  let before: number;
  const buffer = new Uint8Array(4096);
  const fds = new Int32Array(17);
  const receive = () => addon.socketReceive(right, buffer, fds, 50);
  const send = (bytes: Uint8Array, passed: number[] = []) => addon.socketSend(left, bytes, bytes.length, passed);

  beforeEach(() => {
    before = openFds();
    [left, right] = addon.socketPair();
  });
  afterEach(() => {
    if (left >= 0) closeSync(left);
    if (right >= 0) closeSync(right);
    assert.equal(openFds(), before, 'descriptors left open');
  });

  it('deliver a whole message with its descriptors', () => {
    const file = openSync('/dev/null', 'r');
    send(command(Uint8Array.of(1, 2, 3)), [file, file]);
    closeSync(file);
    assert.equal(receive(), HEADER_SIZE + 3);
    assert.deepEqual([...buffer.subarray(16, 19)], [1, 2, 3]);
    assert.equal(fds[0], 2);
    for (const fd of fds.subarray(1, 3)) closeSync(fd);
  });

  it('separate two messages, and accept shared memory', () => {
    const shared = new Uint8Array(new SharedArrayBuffer(64));
    const message = command(Uint8Array.of(9));
    shared.set(message);
    addon.socketSend(left, shared, message.length, []);
    send(command(new Uint8Array(2)));
    assert.equal(addon.socketReceive(right, shared, fds, 50), 17);
    assert.equal(shared[16], 9);
    assert.equal(receive(), 18);
  });

  it('return -1 if nothing comes and 0 if the peer is gone', () => {
    assert.equal(receive(), -1);
    closeSync(left);
    left = -1;
    assert.equal(receive(), 0);
  });

  it('fail if the peer leaves in the middle of a message', () => {
    send(command(new Uint8Array(8)).subarray(0, 20));
    closeSync(left);
    left = -1;
    assert.throws(receive, { code: 'ECONNRESET', syscall: 'recvmsg' });
  });

  it('reject invalid headers and messages larger than the buffer, and close their descriptors', () => {
    const file = openSync('/dev/null', 'r');
    const broken = command(new Uint8Array());
    new DataView(broken.buffer).setUint32(4, 15, true);
    send(broken, [file]);
    assert.throws(receive, { code: 'EPROTO' });
    send(command(new Uint8Array(buffer.length)), [file]);
    assert.throws(receive, { code: 'EMSGSIZE' });
    closeSync(file);
  });

  it('close all descriptors if there are too many', () => {
    const file = openSync('/dev/null', 'r');
    send(command(new Uint8Array()), new Array<number>(fds.length).fill(file));
    closeSync(file);
    assert.throws(receive, { code: 'EPROTO' });
    assert.equal(fds[0], 0);
  });

  it('do not raise SIGPIPE, and reject lengths larger than the buffer', () => {
    assert.throws(() => addon.socketSend(left, new Uint8Array(16), 17, []), { code: 'EINVAL' });
    closeSync(right);
    assert.throws(() => send(command(new Uint8Array())), { code: 'EPIPE' });
    right = -1;
  });

  it('connect by path', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'vfio-user-'));
    const path = join(folder, 'socket');
    await assert.rejects(addon.unixConnect(path), { code: 'ENOENT' });
    const listener = addon.unixListen(path, 1);
    assert.equal(addon.unixAccept(listener, 10), -1);
    const client = await addon.unixConnect(path);
    const server = addon.unixAccept(listener, 1000);
    addon.socketSend(client, command(new Uint8Array()), 16, []);
    assert.equal(addon.socketReceive(server, buffer, fds, 1000), 16);
    for (const fd of [listener, client, server]) closeSync(fd);
    await assert.rejects(addon.unixConnect(path), { code: 'ECONNREFUSED' });
    assert.throws(() => addon.unixListen('/'.repeat(200), 1), { code: 'ENAMETOOLONG' });
    rmSync(folder, { recursive: true });
  });
});
