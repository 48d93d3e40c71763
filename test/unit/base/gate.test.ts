import assert from 'node:assert/strict';

import { Gate } from '../../../lib/base/mutex.js';

describe('a gate', () => {
  let gate: Gate;
  let log: string[];

  /** A section that ends when told to. */
  const section = (name: string): { run: () => Promise<string>; end: () => void } => {
    let end = (): void => undefined;
    const ended = new Promise<void>((resolve) => (end = resolve));
    const run = async (): Promise<string> => {
      log.push(`${name} begins`);
      await ended;
      log.push(`${name} ends`);
      return name;
    };
    return { run, end };
  };
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  beforeEach(() => {
    gate = new Gate();
    log = [];
  });

  it('runs shared sections side by side, and one alone when all of them have ended', async () => {
    const [one, two, alone] = [section('one'), section('two'), section('alone')];
    const all = [gate.shared(one.run), gate.shared(two.run), gate.exclusive(alone.run)];
    await settled();
    assert.deepEqual(log, ['one begins', 'two begins']);
    two.end();
    await settled();
    assert.equal(log.at(-1), 'two ends');
    one.end();
    await settled();
    assert.equal(log.at(-1), 'alone begins');
    alone.end();
    assert.deepEqual(await Promise.all(all), ['one', 'two', 'alone']);
  });

  it('lets nobody overtake the one that is to run alone, and the next when it has ended', async () => {
    const [one, alone, other, late] = [section('one'), section('alone'), section('other'), section('late')];
    const all = [gate.shared(one.run), gate.exclusive(alone.run), gate.exclusive(other.run), gate.shared(late.run)];
    one.end();
    await settled();
    assert.deepEqual(log, ['one begins', 'one ends', 'alone begins']);
    alone.end();
    await settled();
    assert.equal(log.at(-1), 'other begins');
    other.end();
    await settled();
    assert.equal(log.at(-1), 'late begins');
    late.end();
    assert.deepEqual(await Promise.all(all), ['one', 'alone', 'other', 'late']);
  });

  it('goes on after sections that fail', async () => {
    const fail = (): Promise<never> => Promise.reject(new Error('no'));
    await assert.rejects(gate.shared(fail), /no/);
    await assert.rejects(gate.exclusive(fail), /no/);
    const sharing = gate.shared(async () => {
      await settled();
      return fail();
    });
    const alone = gate.exclusive(() => Promise.resolve('alone'));
    await assert.rejects(sharing, /no/);
    assert.equal(await alone, 'alone');
    assert.equal(await gate.shared(() => Promise.resolve('shared')), 'shared');
  });
});
