import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The flags of a program that libFuzzer drives, with the sanitizers that find what it causes. */
export const FUZZER_FLAGS = ['-fsanitize=fuzzer,address,undefined', '-fno-sanitize-recover=undefined', '-O1', '-g'];

/**
 * Finds clang with libFuzzer. Installs Debian's packages if they are missing and the caller is root.
 * @throws with the names of the packages if they cannot be installed
 */
export function requireClang(): string {
  if (linksFuzzers()) return 'clang++';
  if (process.getuid?.() !== 0) throw new Error(`libFuzzer is missing. Install it: sudo apt-get install ${packages()}`);
  const options = { stdio: 'inherit', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } } as const;
  // An unrelated package source can be unreachable. Only the installation decides.
  spawnSync('apt-get', ['update', '-q'], options);
  const install = ['install', '-q', '-y', '--no-install-recommends'];
  execFileSync('apt-get', [...install, 'clang'], options);
  execFileSync('apt-get', [...install, ...packages().split(' ')], options);
  if (!linksFuzzers()) throw new Error(`clang++ links no fuzzers, although ${packages()} are installed`);
  return 'clang++';
}

/** The packages for the installed version of clang, or Debian 12's. */
function packages(): string {
  const { stdout } = spawnSync('clang++', ['-dumpversion'], { encoding: 'utf8' });
  const major = /^\d+/.exec(stdout ?? '')?.[0] ?? '14';
  return `clang libclang-rt-${major}-dev`;
}

function linksFuzzers(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'vfio-engine-clang-'));
  try {
    const source = join(folder, 'empty.cc');
    writeFileSync(source, 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }\n');
    return spawnSync('clang++', [...FUZZER_FLAGS, source, '-o', join(folder, 'empty')]).status === 0;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
