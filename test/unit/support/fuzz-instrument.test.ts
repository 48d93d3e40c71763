import assert from 'node:assert/strict';
import { runInThisContext } from 'node:vm';

import { instrument, type FuzzCoverage } from '../../fuzz/engine/instrument.js';

type Coverage = Pick<FuzzCoverage, 'counters' | 'compare'>;
type Body = (x: number, fuzzCoverage?: Coverage) => unknown;

function functionOf(body: string): Body {
  return runInThisContext(`(x, fuzzCoverage) => {${body}}`) as Body;
}

const comparisons: Readonly<Record<string, (left: number, right: number) => boolean>> = {
  '===': (left, right) => left === right,
  '!==': (left, right) => left !== right,
  '<': (left, right) => left < right,
  '<=': (left, right) => left <= right,
  '>': (left, right) => left > right,
  '>=': (left, right) => left >= right,
};

/** Runs the body of a function with and without counters. @returns what both return, and the counters that were hit */
function runBoth(body: string, x: number): { plain: unknown; counted: unknown; hit: number[]; compared: number } {
  let next = 0;
  const source = instrument(body, () => next++);
  const counters = new Uint8Array(64);
  let compared = 0;
  const compare = (left: unknown, operator: string, right: unknown): boolean => {
    compared += 1;
    return comparisons[operator]?.(left as number, right as number) ?? assert.fail(`an operator ${operator}`);
  };
  const plain = functionOf(body)(x);
  const counted = functionOf(source)(x, { counters, compare });
  return { plain, counted, hit: [...counters.keys()].filter((index) => counters[index] !== 0), compared };
}

describe('the counters that the fuzzer inserts', () => {
  const bodies = [
    'if (x > 3) return "big"; else if (x === 3) return "three"; return "small";',
    'let sum = 0; for (let i = 0; i < x; i++) sum += i; while (sum >= 10) sum -= 10; return sum;',
    'switch (x) { case 1: return "one"; case 2: { return "two"; } default: return "many"; }',
    'const f = (y) => ({ y, twice: y * 2 }); return [x].map((z) => f(z)).concat([1].map((a) => a<x?a:-a));',
    'return x > 1 && x < 9 || x !== 5 ? (x ?? 7) : [x<=2, x===2];',
    'try { if (x > 2) throw new Error("no"); return 1; } catch { return 2; } finally { x = 0; }',
  ];

  it('leave the results of every construct as they are', () => {
    for (const body of bodies) {
      for (const argument of [0, 1, 2, 3, 5, 12]) {
        const { plain, counted } = runBoth(body, argument);
        assert.deepEqual(counted, plain, body);
      }
    }
  });

  it('differ between branches, and tell what is compared', () => {
    const [body = ''] = bodies;
    const [big, three, small] = [5, 3, 1].map((argument) => runBoth(body, argument));
    assert.notDeepEqual(big?.hit, three?.hit);
    assert.notDeepEqual(three?.hit, small?.hit);
    assert.deepEqual([big?.compared, three?.compared], [1, 2]);
  });

  it('keep the lines of the module', () => {
    const body = 'const f = () => {\n  return 1;\n};\nif (f() === 1) {\n  f();\n}';
    assert.equal(instrument(body, () => 0).split('\n').length, body.split('\n').length);
  });
});
