import assert from 'node:assert/strict';

import type { InjectedFault } from '../../../lib/faults/fault.js';
import { FaultChooser, type FaultSettings, type Opportunity } from '../../../lib/faults/fault-chooser.js';

const READ = { call: 'regionRead', device: 'a' } as const;

function chooserOf(settings: Partial<FaultSettings>): FaultChooser {
  return new FaultChooser({ seed: 1, rates: {}, faults: [], ...settings });
}

/** Chooses for the same opportunity again and again. @returns the numbers of those that got a fault */
function hits(chooser: FaultChooser, count: number, opportunity: Opportunity = READ): number[] {
  const chosen = Array.from({ length: count }, () => chooser.choose(['all-ones'], opportunity));
  return chosen.flatMap((fault) => fault?.number ?? []);
}

describe('the choice of faults', () => {
  it('hits the call of the given number, as often as asked', () => {
    assert.deepEqual(hits(chooserOf({ faults: [{ kind: 'all-ones', at: 3 }] }), 6), [3]);
    assert.deepEqual(hits(chooserOf({ faults: [{ kind: 'all-ones', at: 3, times: 2 }] }), 6), [3, 4]);
    assert.deepEqual(hits(chooserOf({ faults: [{ kind: 'all-ones', at: 5, times: Infinity }] }), 7), [5, 6, 7]);
  });

  it('counts only the calls that match the device, the call and the vector', () => {
    const other = { ...READ, device: 'b' };
    const onB = chooserOf({ faults: [{ kind: 'all-ones', device: 'b', at: 2 }] });
    assert.deepEqual(hits(onB, 3), []);
    assert.deepEqual(hits(onB, 3, other), [2]);
    const onPread = chooserOf({ faults: [{ kind: 'all-ones', call: 'pread' }] });
    assert.deepEqual(hits(onPread, 3), []);
    assert.deepEqual(hits(onPread, 3, { call: 'pread' }), [1]);
    const onVector = chooserOf({ faults: [{ kind: 'irq-lost', irqIndex: 2, vector: 1 }] });
    const interrupt = { call: 'interrupt', device: 'a', irqIndex: 2 } as const;
    assert.equal(onVector.choose(['irq-lost'], { ...interrupt, vector: 0 }), undefined);
    assert.equal(onVector.choose(['irq-lost'], { ...interrupt, vector: 1 })?.kind, 'irq-lost');
  });

  it('counts the calls of a fault without a device on all devices together', () => {
    const chooser = chooserOf({ faults: [{ kind: 'all-ones', at: 3 }] });
    assert.deepEqual(hits(chooser, 2), []);
    assert.deepEqual(hits(chooser, 1, { ...READ, device: 'b' }), [1]);
  });

  it('counts for every kind, also after another kind has hit', () => {
    const chooser = chooserOf({
      faults: [
        { kind: 'fail', call: 'regionRead', errno: 'ENODEV' },
        { kind: 'short-read', at: 2 },
      ],
    });
    const choose = (): InjectedFault | undefined => chooser.choose(['fail', 'short-read'], READ);
    assert.deepEqual(choose(), { kind: 'fail', call: 'regionRead', number: 1, device: 'a', errno: 'ENODEV' });
    assert.deepEqual(choose(), { kind: 'short-read', call: 'regionRead', number: 2, device: 'a' });
    assert.equal(choose(), undefined);
  });

  it('hits as often as the rate says, at the same numbers for the same seed', () => {
    const rates = { 'all-ones': 0.1 };
    const first = hits(chooserOf({ rates }), 10_000);
    assert.ok(first.length > 850 && first.length < 1150, `${first.length} of 10,000`);
    assert.deepEqual(hits(chooserOf({ rates }), 10_000), first);
    assert.notDeepEqual(hits(chooserOf({ rates, seed: 2 }), 10_000), first);
    assert.equal(hits(chooserOf({ rates: { 'all-ones': 1 } }), 100).length, 100);
    assert.equal(hits(chooserOf({ rates: { 'all-ones': 0 } }), 100).length, 0);
  });

  it('does not change the faults of one device by the calls of another', () => {
    const rates = { 'all-ones': 0.1 };
    const alone = hits(chooserOf({ rates }), 1000);
    const mixed = chooserOf({ rates });
    const chosen = Array.from({ length: 1000 }, () => {
      mixed.choose(['all-ones'], { ...READ, device: 'b' });
      return mixed.choose(['all-ones'], READ)?.number ?? [];
    });
    assert.deepEqual(chosen.flat(), alone);
  });

  it('never fails by chance what a healthy kernel never fails', () => {
    const chooser = chooserOf({ rates: { fail: 1 } });
    assert.equal(chooser.choose(['fail'], { call: 'close' }), undefined);
    assert.equal(chooser.choose(['fail'], { call: 'mapDma', explicitOnly: true }), undefined);
    assert.ok(['ENOMEM', 'EFAULT'].includes(chooser.choose(['fail'], { call: 'mapDma' })?.errno ?? ''));
  });

  it('gives a delay to the kinds that have one', () => {
    const chooser = chooserOf({ rates: { 'irq-late': 1, 'irq-lost': 1 } });
    const late = chooser.choose(['irq-late'], { call: 'interrupt' })?.delayMs ?? 0;
    assert.ok(late >= 1 && late <= 50, `${late} ms`);
    assert.deepEqual(chooser.choose(['irq-lost'], { call: 'interrupt' }), {
      kind: 'irq-lost',
      call: 'interrupt',
      number: 2,
    });
  });
});
