import assert from 'node:assert/strict';

import { Mutex } from '../../../lib/base/mutex.js';

describe('a mutex', () => {
  let mutex: Mutex;
  let log: string[];

  const section = (name: string) => async (): Promise<string> => {
    log.push(`${name} begins`);
    await new Promise((resolve) => setImmediate(resolve));
    log.push(`${name} ends`);
    return name;
  };

  beforeEach(() => {
    mutex = new Mutex();
    log = [];
  });

  it('starts a section at once if no other one runs', () => {
    void mutex.run(section('one'));
    assert.deepEqual(log, ['one begins']);
  });

  it('runs sections one after the other, in the order of the calls', async () => {
    const results = await Promise.all(['one', 'two', 'three'].map((name) => mutex.run(section(name))));
    assert.deepEqual(results, ['one', 'two', 'three']);
    assert.deepEqual(log, ['one begins', 'one ends', 'two begins', 'two ends', 'three begins', 'three ends']);
  });

  it('runs a section that returns a value instead of a promise', async () => {
    assert.equal(await mutex.run(() => 5), 5);
  });

  it('goes on after a section that throws and after one that rejects', async () => {
    const throws = mutex.run(() => {
      throw new Error('thrown');
    });
    const rejects = mutex.run(() => Promise.reject(new Error('rejected')));
    const last = mutex.run(section('last'));
    await assert.rejects(throws, { message: 'thrown' });
    await assert.rejects(rejects, { message: 'rejected' });
    assert.equal(await last, 'last');
  });

  it('lets a call wait that a section makes before its first await', async () => {
    let inner: Promise<string> | undefined;
    await mutex.run(() => {
      inner = mutex.run(section('inner'));
      return section('outer')();
    });
    assert.equal(await inner, 'inner');
    assert.deepEqual(log, ['outer begins', 'outer ends', 'inner begins', 'inner ends']);
  });
});
