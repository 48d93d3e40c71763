import assert from 'node:assert/strict';

import { DmaScheduler } from '../../../lib/kernel/linux/dma-scheduler.js';

const PAGE = 4096n;
const SPACE = 5;

describe('DmaScheduler', () => {
  let calls: DmaScheduler;
  /** How each call ran, in order. */
  let ran: string[];

  const pooled = new Map<string, () => void>();
  /** A call that answers at once, or, on the pool, when it is told to. */
  const make = (name: string, size: bigint, space = SPACE): Promise<string> =>
    calls.run(space, size, (sleeps) => {
      ran.push(`${name} ${sleeps ? 'on the pool' : 'at once'}`);
      return sleeps ? new Promise((resolve) => pooled.set(name, () => resolve(name))) : name;
    });

  beforeEach(() => {
    calls = new DmaScheduler();
    ran = [];
    pooled.clear();
  });

  it('runs calls of up to 512 pages directly, larger ones on the thread pool', async () => {
    assert.equal(await make('small', PAGE), 'small');
    assert.equal(await make('middle', 512n * PAGE), 'middle');
    const large = make('large', 513n * PAGE);
    assert.deepEqual(ran, ['small at once', 'middle at once', 'large on the pool']);
    pooled.get('large')?.();
    assert.equal(await large, 'large');
  });

  it('runs a small call on the pool while another call on the same address space is there', async () => {
    const large = make('large', 513n * PAGE);
    const behind = make('behind', PAGE);
    const elsewhere = make('elsewhere', PAGE, SPACE + 1);
    assert.deepEqual(ran, ['large on the pool', 'behind on the pool', 'elsewhere at once']);
    for (const end of pooled.values()) end();
    assert.deepEqual(await Promise.all([large, behind, elsewhere]), ['large', 'behind', 'elsewhere']);
    await make('after', PAGE);
    assert.equal(ran.at(-1), 'after at once');
  });

  it('runs small calls directly again after a call on the pool has failed', async () => {
    const failing = calls.runOnPool(SPACE, () => Promise.reject(new Error('no')));
    await assert.rejects(failing, /no/);
    await make('after', PAGE);
    assert.deepEqual(ran, ['after at once']);
  });

  it('lets the event loop turn between many calls', async () => {
    let turns = 0;
    const turn = (): void => {
      turns++;
      immediate = setImmediate(turn);
    };
    let immediate = setImmediate(turn);
    try {
      for (let round = 0; round < 70; round++) await make(String(round), 512n * PAGE);
    } finally {
      clearImmediate(immediate);
    }
    assert.ok(ran.every((how) => how.endsWith('at once')));
    assert.ok(turns >= 9 && turns <= 20, `${turns} turns for 70 calls of 2 MiB`);
  });

  it('rejects with the error of the call', async () => {
    const failing = calls.run(SPACE, PAGE, () => {
      throw new Error('refused');
    });
    await assert.rejects(failing, /refused/);
  });
});
