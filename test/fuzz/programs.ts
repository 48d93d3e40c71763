import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { buildProgram, nodeFreeSources, ROOT } from '../support/native-program.js';
import { FUZZER_FLAGS } from './clang.js';
import { nativeTargets, type NativeTargetName } from './targets.js';

const FOLDER = join(ROOT, 'test', 'fuzz');

/** Builds a target in C++ with libFuzzer. @returns the program */
export function buildFuzzer(name: NativeTargetName, compiler: string): Promise<string> {
  const own = nativeTargets[name].sources.map((file) => join(FOLDER, 'native', file));
  const addon = nodeFreeSources().map((file) => join(ROOT, 'native', file));
  return buildProgram({ name: `fuzz-${name}`, compiler, sources: [...own, ...addon], flags: FUZZER_FLAGS });
}

/**
 * Builds a target in C++ as a program that runs the inputs of its arguments, with the objects of the addon that
 * `npm ci` built: it needs no other compiler than the addon.
 * @returns the program
 */
export function buildReplay(name: NativeTargetName): Promise<string> {
  const objects = join(ROOT, 'native', 'build', 'Release', 'obj.target', 'vfio_engine');
  return buildProgram({
    name: `replay-${name}`,
    compiler: 'c++',
    sources: [...nativeTargets[name].sources, 'replay.cc'].map((file) => join(FOLDER, 'native', file)),
    objects: nodeFreeSources().map((file) => join(objects, file.replace(/cc$/, 'o'))),
    flags: ['-O1', '-g', ...(process.env['LDFLAGS']?.split(' ') ?? [])],
  });
}

/** Builds the addon that runs libFuzzer over functions of JavaScript. @returns its path */
export function buildDriver(compiler: string): Promise<string> {
  const library = execFileSync(compiler, ['-print-file-name=libclang_rt.fuzzer_no_main-x86_64.a'], {
    encoding: 'utf8',
  });
  return buildProgram({
    name: 'fuzz-driver',
    compiler,
    sources: [join(FOLDER, 'engine', 'driver.cc')],
    flags: ['-O1', '-g', '-fPIC', '-shared', `-I${nodeHeaders()}`],
    libraries: [library.trim()],
  });
}

/** Finds the headers of the Node.js that runs: beside it, or where node-gyp has put them. */
function nodeHeaders(): string {
  const beside = join(dirname(dirname(process.execPath)), 'include', 'node');
  if (existsSync(beside)) return beside;
  const home = process.env['HOME'] ?? '/root';
  return join(home, '.cache', 'node-gyp', process.version.slice(1), 'include', 'node');
}
