import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, createWriteStream, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join, relative } from 'node:path';

import { CACHE, ROOT } from '../support/native-program.js';
import { readReports } from './reports.js';

const TREE = join(CACHE, 'sanitize', 'tree');
const LOGS = join(CACHE, 'sanitize', 'logs');

/**
 * Without the check of virtual tables: the hold on a buffer is a `shared_ptr` of V8's, whose types Node.js was built
 * without.
 */
const FLAGS = '-fsanitize=address,undefined -fno-sanitize=vptr -fno-omit-frame-pointer -g';

/** The parts of the suite that use the addon most. */
const QUICK = [
  'dist/test/unit/native/*.test.js',
  'dist/test/unit/kernel-answers/*.test.js',
  'dist/test/unit/vfio-user/*.test.js',
  'dist/test/integration/region*.test.js',
  'dist/test/integration/virtualized-ways.test.js',
];

/**
 * AddressSanitizer's settings. The addon handles SIGBUS, Node.js SIGSEGV: both stay theirs. Leaks do not change exit
 * codes, because compilers and Node.js leak on purpose; `readReports` picks those of the addon.
 */
const OPTIONS = {
  handle_segv: 0,
  handle_sigbus: 0,
  handle_abort: 0,
  allow_user_segv_handler: 1,
  abort_on_error: 1,
  detect_leaks: 1,
  exitcode: 0,
  log_exe_name: 1,
  // A test looks for a core file.
  disable_coredump: 0,
  malloc_context_size: 12,
};

/** Runs the suite and the stress with an addon of its own build. @returns whether the sanitizers found nothing */
export async function runAddressSanitizer({ quick, seconds }: { quick: boolean; seconds: number }): Promise<boolean> {
  copyCheckout();
  buildAddon();
  rmSync(LOGS, { recursive: true, force: true });
  mkdirSync(LOGS, { recursive: true });
  // Node.js and the compilers run three times slower, and longer where a process ends: it looks for leaks then.
  const mocha = ['node_modules/mocha/bin/mocha.js', '--exit', '--timeout', '180000'];
  const specs = quick
    ? ['--no-config', '--no-package', '--require', './dist/test/support/unhandled-rejections.js', ...QUICK]
    : [];
  await run('suite', [...mocha, ...specs]);
  await run('stress', ['dist/test/stress/main.js', '--seconds', String(quick ? Math.min(seconds, 10) : seconds)]);
  const reports = readReports(LOGS);
  for (const report of reports) console.log(report);
  console.log(
    `AddressSanitizer, LeakSanitizer, UBSan: ${reports.length === 0 ? 'clean' : `${reports.length} reports`}`,
  );
  return reports.length === 0;
}

/** The checkout without what is built: `native/build` there stays the ordinary addon. */
function copyCheckout(): void {
  const skipped = new Set(['.git', 'node_modules', join('native', 'build')]);
  rmSync(join(TREE, 'dist'), { recursive: true, force: true });
  cpSync(ROOT, TREE, {
    recursive: true,
    preserveTimestamps: true,
    filter: (source) => !skipped.has(relative(ROOT, source)),
  });
  const modules = join(TREE, 'node_modules');
  // A link of an earlier run can lead to a checkout that is gone.
  rmSync(modules, { force: true });
  symlinkSync(join(ROOT, 'node_modules'), modules);
}

function buildAddon(): void {
  const env = { ...process.env, CXXFLAGS: FLAGS, LDFLAGS: FLAGS };
  execFileSync(process.execPath, [join(TREE, 'native', 'install.cjs')], { stdio: 'inherit', env });
}

/** Runs Node.js with the sanitizers in every process that it starts, and the output in a log. */
async function run(name: string, args: readonly string[]): Promise<void> {
  const output = createWriteStream(join(LOGS, `${name}.log`));
  await once(output, 'open');
  const env = {
    ...process.env,
    ASAN_OPTIONS: options({ ...OPTIONS, log_path: join(LOGS, 'asan') }),
    UBSAN_OPTIONS: options({ print_stacktrace: 1 }),
    // The tests that compile use the same flags, because their programs get objects of the addon.
    LDFLAGS: FLAGS,
    LD_PRELOAD: ['libasan.so', 'libubsan.so'].map(library).join(' '),
  };
  const child = spawn(process.execPath, args, { cwd: TREE, env, stdio: ['ignore', output, output] });
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  output.close();
  console.log(`${name}: ended with ${code ?? signal}; ${join(LOGS, `${name}.log`)}`);
}

function options(values: Readonly<Record<string, string | number>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${value}`)
    .join(':');
}

/** Finds a sanitizer's library. GCC has it with the compiler: Debian's g++ depends on it. */
function library(name: string): string {
  const path = execFileSync('c++', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim();
  if (!path.includes('/')) throw new Error(`${name} is missing. Install GCC's sanitizers: apt-get install g++`);
  return path;
}
