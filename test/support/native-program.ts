import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { availableParallelism, homedir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The folder of the checkout. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
/** Where built programs and found inputs are kept. It may be removed at any time. */
export const CACHE = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'vfio-engine');

const NATIVE = join(ROOT, 'native');
/** Headers that only a program inside Node.js can use. */
const NODE_HEADERS: ReadonlySet<string> = new Set(['napi.h', 'node_api.h', 'uv.h', 'v8.h', 'node.h']);

/** A program of C++ files. */
export interface ProgramSpec {
  readonly name: string;
  readonly compiler: string;
  /** The files to compile, absolute. */
  readonly sources: readonly string[];
  /** Objects that exist already. */
  readonly objects?: readonly string[];
  /** For the compiler and the linker. */
  readonly flags: readonly string[];
  /** For the linker alone. */
  readonly libraries?: readonly string[];
}

/**
 * Lists the addon's files that link without Node.js: those that include none of its headers, themselves or by another file.
 * @returns paths below `native/`
 */
export function nodeFreeSources(): string[] {
  const folders = readdirSync(NATIVE, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const files = folders.filter(({ name }) => name !== 'build' && name !== 'linux').flatMap(({ name }) => filesOf(name));
  return files.filter((file) => file.endsWith('.cc') && !needsNode(file, new Set()));
}

function filesOf(folder: string): string[] {
  return readdirSync(join(NATIVE, folder)).map((file) => join(folder, file));
}

function needsNode(file: string, seen: Set<string>): boolean {
  if (seen.has(file)) return false;
  seen.add(file);
  return includesOf(join(NATIVE, file)).some(
    ({ header, own }) => NODE_HEADERS.has(header) || (own && needsNode(header, seen)),
  );
}

/** Lists the headers that a file includes; `own` are those of the addon. */
function includesOf(path: string): { header: string; own: boolean }[] {
  const lines = readFileSync(path, 'utf8').matchAll(/^#include ([<"])(.+)[>"]/gm);
  return [...lines].map(([, mark, header = '']) => ({ header, own: mark === '"' }));
}

/**
 * Builds a program, unless it was built from the same bytes before.
 * @returns its path
 * @throws with the compiler's messages
 */
export async function buildProgram(spec: ProgramSpec): Promise<string> {
  // Below the checkout, so that checkouts share what was built.
  const own = relative(ROOT, dirname(spec.sources[0] ?? ''));
  const flags = [...spec.flags, '-std=c++17', '-Inative', `-I${own}`];
  const headers = hashOf([...headersBelow(NATIVE), ...spec.sources.flatMap((file) => headersBelow(dirname(file)))]);
  const { stdout: version } = await run(spec.compiler, ['--version']);
  const common = [spec.compiler, version, headers, ...flags];
  const objects = await inParallel(spec.sources, (source) => compile(spec.compiler, source, flags, common));
  const whole = [...objects, ...(spec.objects ?? [])];
  const program = join(
    CACHE,
    'programs',
    `${spec.name}-${keyOf([...common, hashOf(whole), ...(spec.libraries ?? [])])}`,
  );
  await make(program, (target) =>
    run(spec.compiler, [...spec.flags, ...whole, '-o', target, ...(spec.libraries ?? []), '-lpthread']),
  );
  return program;
}

async function compile(
  compiler: string,
  source: string,
  flags: readonly string[],
  common: readonly string[],
): Promise<string> {
  const object = join(CACHE, 'objects', `${basename(source)}-${keyOf([...common, hashOf([source])])}.o`);
  await make(object, (target) => run(compiler, [...flags, '-c', relative(ROOT, source), '-o', target], { cwd: ROOT }));
  return object;
}

/** Makes a file if it is missing. A build that is interrupted leaves no half of it. */
async function make(path: string, build: (target: string) => Promise<unknown>): Promise<void> {
  if (existsSync(path)) return;
  mkdirSync(dirname(path), { recursive: true });
  const target = `${path}.${process.pid}`;
  await build(target);
  renameSync(target, path);
}

/** Runs work for each item, as many at a time as the machine has CPUs. */
export async function inParallel<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
  jobs = availableParallelism(),
): Promise<Result[]> {
  const results = new Array<Result>(items.length);
  const left = [...items.entries()];
  const worker = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) results[next[0]] = await work(next[1]);
  };
  await Promise.all(Array.from({ length: jobs }, worker));
  return results;
}

function headersBelow(folder: string): string[] {
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true });
  const inBuild = join(NATIVE, 'build');
  return entries
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => path.endsWith('.h') && !path.startsWith(inBuild))
    .sort();
}

function hashOf(paths: readonly string[]): string {
  const hash = createHash('sha256');
  for (const path of paths) hash.update(basename(path)).update(readFileSync(path));
  return hash.digest('hex');
}

function keyOf(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}
