import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { addon } from '../../../lib/native/addon.js';

describe('native/event: descriptors', () => {
  it('tells open descriptors from closed ones, duplicates and closes', async () => {
    const fd = openSync('/dev/null', 'r');
    const copy = addon.dupFd(fd);
    assert.ok(addon.isOpenFd(fd) && addon.isOpenFd(copy) && copy !== fd);
    addon.closeFdSync(fd);
    assert.ok(!addon.isOpenFd(fd) && addon.isOpenFd(copy));
    await addon.closeFd(copy);
    assert.ok(!addon.isOpenFd(copy));
    assert.throws(() => addon.closeFdSync(copy), { name: 'VfioError', code: 'EBADF', errno: 9, syscall: 'close' });
    await assert.rejects(addon.closeFd(-1), { code: 'EBADF' });
    assert.throws(() => addon.dupFd(copy), { code: 'EBADF' });
    assert.throws(() => addon.isOpenFd(1.5), { code: 'ERR_OUT_OF_RANGE' });
  });
});

describe('native/event: eventfds', () => {
  let fd: number;
  beforeEach(() => {
    fd = addon.eventfdCreate();
  });
  afterEach(() => {
    if (addon.isOpenFd(fd)) addon.closeFdSync(fd);
  });

  it('adds to the count and takes it', () => {
    assert.equal(addon.eventfdRead(fd), 0);
    addon.eventfdWrite(fd, 2);
    addon.eventfdWrite(fd, 3);
    assert.equal(addon.eventfdRead(fd), 5);
    assert.equal(addon.eventfdRead(fd), 0);
  });

  it('waits until the timeout, or until there is a count', () => {
    const before = performance.now();
    assert.equal(addon.eventfdWait(fd, 20), 0);
    assert.ok(performance.now() - before >= 19);
    addon.eventfdWrite(fd, 4);
    assert.equal(addon.eventfdWait(fd, 2 ** 31 - 1), 4);
    assert.throws(() => addon.eventfdWait(fd, -1), { code: 'ERR_OUT_OF_RANGE' });
  });

  it('rejects a file that is not an eventfd', () => {
    const file = openSync('/dev/null', 'r+');
    assert.throws(() => addon.eventfdWrite(file, 1), { code: 'EINVAL' });
    assert.throws(() => addon.watcherCreate(file, () => undefined), { code: 'EINVAL' });
    assert.throws(() => addon.eventfdRead(file), { code: 'EINVAL' });
    closeSync(file);
    assert.throws(() => addon.eventfdWrite(file, 1), { code: 'EBADF' });
    assert.throws(() => addon.eventfdRead(file), { code: 'EBADF' });
    assert.throws(() => addon.eventfdWait(file, 1000), { code: 'EBADF' });
    assert.throws(() => addon.watcherCreate(file, () => undefined), { code: 'EBADF' });
  });

  it('calls back with each count, and not after the watcher is closed', async () => {
    const counts: number[] = [];
    const watcher = addon.watcherCreate(fd, (count) => counts.push(count));
    addon.eventfdWrite(fd, 2);
    addon.eventfdWrite(fd, 1);
    await sleep(5);
    assert.deepEqual(counts, [3]);
    addon.eventfdWrite(fd, 7);
    addon.watcherClose(watcher);
    addon.watcherClose(watcher);
    addon.watcherSetRef(watcher, false);
    await sleep(5);
    assert.deepEqual(counts, [3]);
    assert.equal(addon.eventfdRead(fd), 7, 'what the watcher did not take is still there');
  });

  it('keeps the counts of many watchers apart', async () => {
    const fds = Array.from({ length: 64 }, () => addon.eventfdCreate());
    const counts = fds.map(() => 0);
    const watchers = fds.map((each, i) => addon.watcherCreate(each, (count) => (counts[i] = count)));
    fds.forEach((each, i) => addon.eventfdWrite(each, i + 1));
    await sleep(10);
    assert.deepEqual(
      counts,
      fds.map((_, i) => i + 1),
    );
    watchers.forEach((watcher) => addon.watcherClose(watcher));
    fds.forEach((each) => addon.closeFdSync(each));
  });

  it('allows the callback to close its watcher, and the caller to close the descriptor first', async () => {
    let calls = 0;
    const watcher = addon.watcherCreate(fd, () => {
      calls++;
      addon.watcherClose(watcher);
    });
    const copy = addon.dupFd(fd);
    addon.closeFdSync(fd);
    addon.eventfdWrite(copy, 1);
    await sleep(5);
    addon.eventfdWrite(copy, 1);
    await sleep(5);
    assert.equal(calls, 1);
    addon.closeFdSync(copy);
  });
});
