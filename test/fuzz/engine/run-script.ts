/**
 * Fuzzes a target in TypeScript: `node run-script.js TARGET DRIVER ARGUMENTS...`, with libFuzzer's own arguments. It
 * instruments the library, loads the target, and gives each of libFuzzer's inputs to it.
 */
import { register } from 'node:module';

import { isScriptTarget, scriptTargets, type ScriptTarget } from '../targets.js';
import type { FuzzCoverage } from './instrument.js';

interface Driver {
  readonly counters: Uint8Array;
  start(argv: readonly string[], run: (input: Uint8Array) => void): void;
  settle(good: boolean): void;
  trace(left: bigint, right: bigint): void;
}

const [name = '', driverPath = '', ...rest] = process.argv.slice(2);
if (!isScriptTarget(name)) throw new Error(`no target ${name}`);
const driver = load(driverPath);
globalThis.fuzzCoverage = { counters: driver.counters, compare };
register('./hooks.js', import.meta.url, {
  data: scriptTargets[name].instrument.map((folder) => new URL(`../../../${folder}`, import.meta.url).href),
});
const { fuzz } = (await import(`../targets/${name}.js`)) as ScriptTarget;

// libFuzzer starts itself anew for some of its work, such as to minimise an input: it uses the first argument for that.
const self = [process.execPath, import.meta.filename, name, driverPath].join(' ');
driver.start([self, ...rest], (input) => {
  settle(fuzz, input).then(
    () => driver.settle(true),
    (error: unknown) => {
      console.error(error);
      driver.settle(false);
    },
  );
});

/** Loads an addon whose file has any name. */
function load(path: string): Driver {
  const module = { exports: {} };
  process.dlopen(module, path);
  return module.exports as Driver;
}

async function settle(run: ScriptTarget['fuzz'], input: Uint8Array): Promise<void> {
  await run(input);
}

function compare(left: unknown, operator: string, right: unknown): boolean {
  if (isWhole(left) && isWhole(right) && left != right) driver.trace(BigInt(left), BigInt(right));
  switch (operator) {
    case '===':
      return left === right;
    case '!==':
      return left !== right;
    case '<':
      return (left as number) < (right as number);
    case '<=':
      return (left as number) <= (right as number);
    case '>':
      return (left as number) > (right as number);
    default:
      return (left as number) >= (right as number);
  }
}

function isWhole(value: unknown): value is number | bigint {
  return typeof value === 'bigint' || Number.isSafeInteger(value);
}

declare global {
  var fuzzCoverage: FuzzCoverage;
}
