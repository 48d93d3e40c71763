import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { buildReplay } from '../fuzz/programs.js';
import { nativeTargets, scriptTargets, type NativeTargetName } from '../fuzz/targets.js';
import { ROOT } from '../support/native-program.js';

const REPLAY_CHILD = fileURLToPath(new URL('../fuzz/replay-child.js', import.meta.url));

/** The kept inputs of a target. A target has some from its first long run on. */
function corpusOf(name: string): string[] {
  const folder = join(ROOT, 'test', 'fuzz', 'corpus', name);
  const files = readdirSync(folder).map((file) => join(folder, file));
  assert.ok(files.length > 0, `${folder} is empty`);
  return files;
}

function replay(command: string, args: readonly string[]): void {
  const { status, signal, stderr } = spawnSync(command, args, { encoding: 'utf8', timeout: 60_000 });
  assert.deepEqual({ status, signal }, { status: 0, signal: null }, stderr.slice(-4000));
}

describe('the kept inputs of the fuzzer hold the properties of', () => {
  for (const name of Object.keys(scriptTargets)) {
    it(name, () => replay(process.execPath, [REPLAY_CHILD, name, ...corpusOf(name)]));
  }

  // The first run compiles the targets, with the objects of the addon.
  for (const name of Object.keys(nativeTargets) as NativeTargetName[]) {
    it(name, async () => replay(await buildReplay(name), corpusOf(name))).timeout(180_000);
  }
});
