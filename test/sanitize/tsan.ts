import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

import { buildProgram, nodeFreeSources, ROOT } from '../support/native-program.js';

const FOLDER = join(ROOT, 'test', 'sanitize');
const PARTS = ['main.cc', 'lanes.cc', 'connections.cc', 'call_threads.cc'];
/** GCC warns that it does not follow fences. What they order here is atomic, so no race is missed or made up. */
const FLAGS = ['-fsanitize=thread', '-Wno-tsan', '-O1', '-g'];

/** Runs the threads of the addon under ThreadSanitizer, in a program without Node.js. @returns whether it found nothing */
export async function runThreadSanitizer(seconds: number): Promise<boolean> {
  const own = PARTS.map((file) => join(FOLDER, 'native', file));
  const addon = nodeFreeSources().map((file) => join(ROOT, 'native', file));
  const program = await buildProgram({ name: 'threads', compiler: 'c++', sources: [...own, ...addon], flags: FLAGS });
  const options = `suppressions=${join(FOLDER, 'suppressions.tsan')}`;
  const { status, signal } = spawnSync(program, [String(seconds)], {
    stdio: 'inherit',
    env: { ...process.env, TSAN_OPTIONS: options },
  });
  console.log(`ThreadSanitizer: ${status === 0 ? 'clean' : `FOUND races (${status ?? signal})`}`);
  return status === 0;
}
