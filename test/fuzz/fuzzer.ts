import { spawn, spawnSync } from 'node:child_process';
import { createWriteStream, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { CACHE, ROOT } from '../support/native-program.js';
import { buildDriver, buildFuzzer } from './programs.js';
import { isNativeTarget, isScriptTarget, nativeTargets, scriptTargets } from './targets.js';

const RUN_SCRIPT = fileURLToPath(new URL('./engine/run-script.js', import.meta.url));
const SEED_CHILD = fileURLToPath(new URL('./seed-child.js', import.meta.url));
/** An input that takes longer, in seconds, is a finding. */
const TIMEOUT = 10;
const MINIMISE_SECONDS = 20;

/** A target that is built. */
export interface Prepared {
  readonly name: string;
  /** The command that takes libFuzzer's arguments. */
  readonly command: readonly [string, ...string[]];
  readonly maxLength: number;
  /** The inputs that runs on this machine have found. They grow from run to run. */
  readonly found: string;
  /** The inputs of the checkout. */
  readonly kept: string;
}

/** What a run of libFuzzer told. */
export interface Outcome {
  readonly name: string;
  readonly runs: number;
  readonly edges: number;
  readonly features: number;
  readonly inputs: number;
  readonly seconds: number;
  /** The input that violates a property, as short as it could be made. */
  readonly crash?: string;
  readonly log: string;
}

/** Builds a target and its folders. */
export async function prepare(name: string, compiler: string): Promise<Prepared> {
  const found = join(CACHE, 'fuzz', name);
  const kept = join(ROOT, 'test', 'fuzz', 'corpus', name);
  mkdirSync(found, { recursive: true });
  mkdirSync(kept, { recursive: true });
  if (isNativeTarget(name)) {
    const program = await buildFuzzer(name, compiler);
    return { name, command: [program], maxLength: nativeTargets[name].maxLength, found, kept };
  }
  if (!isScriptTarget(name)) throw new Error(`no target ${name}`);
  const driver = await buildDriver(compiler);
  spawnSync(process.execPath, [SEED_CHILD, name, found], { stdio: 'inherit' });
  const command = [process.execPath, RUN_SCRIPT, name, driver] as const;
  return { name, command: [...command], maxLength: scriptTargets[name].maxLength, found, kept };
}

/** Fuzzes for a time, and minimises what it finds. */
export async function runFuzzer(target: Prepared, seconds: number): Promise<Outcome> {
  const crashes = join(CACHE, 'fuzz', 'crashes');
  mkdirSync(crashes, { recursive: true });
  const log = join(CACHE, 'fuzz', `${target.name}.log`);
  const before = new Set(readdirSync(crashes));
  const started = performance.now();
  const status = await run(log, target, [
    ...limits(target),
    `-max_total_time=${seconds}`,
    `-artifact_prefix=${join(crashes, target.name)}-`,
    '-print_final_stats=1',
    target.found,
    target.kept,
  ]);
  const took = (performance.now() - started) / 1000;
  const text = readFileSync(log, 'utf8');
  const counts = { name: target.name, ...progressOf(text), seconds: took, log };
  if (status === 0) return counts;
  const artifact = readdirSync(crashes).find((file) => !before.has(file) && file.startsWith(`${target.name}-`));
  // Without an artifact the run failed before its first input. The log says why.
  return { ...counts, crash: artifact === undefined ? log : await minimise(target, join(crashes, artifact)) };
}

/** Runs one input and shows what it violates. @returns the exit code */
export function runInput(target: Prepared, input: string): number {
  const [command, ...args] = target.command;
  return spawnSync(command, [...args, input], { stdio: 'inherit' }).status ?? 1;
}

/** Adds to the checkout's inputs those found ones that reach further branches: how often they do does not count. */
export async function keepInputs(target: Prepared): Promise<void> {
  const log = join(CACHE, 'fuzz', `${target.name}-merge.log`);
  await run(log, target, ['-merge=1', '-use_counters=0', ...limits(target), target.kept, target.found]);
}

function limits(target: Prepared): string[] {
  return [`-max_len=${target.maxLength}`, `-timeout=${TIMEOUT}`, '-rss_limit_mb=4096'];
}

async function minimise(target: Prepared, crash: string): Promise<string> {
  const shorter = join(CACHE, 'fuzz', 'crashes', `${basename(crash)}-short`);
  rmSync(shorter, { force: true });
  const log = join(CACHE, 'fuzz', `${target.name}-minimise.log`);
  await run(log, target, [
    '-minimize_crash=1',
    `-max_total_time=${MINIMISE_SECONDS}`,
    `-exact_artifact_path=${shorter}`,
    crash,
  ]);
  return existsSync(shorter) ? shorter : crash;
}

/** Runs the fuzzer with its output in a file. @returns its exit code, or -1 */
async function run(log: string, target: Prepared, args: readonly string[]): Promise<number> {
  const [command, ...first] = target.command;
  const output = createWriteStream(log);
  await once(output, 'open');
  const child = spawn(command, [...first, ...args], { stdio: ['ignore', output, output] });
  const [code] = (await once(child, 'exit')) as [number | null];
  output.close();
  return code ?? -1;
}

/** Reads libFuzzer's last line of progress, such as `#4096 pulse cov: 31 ft: 40 corp: 7/12b`. */
function progressOf(log: string): Pick<Outcome, 'runs' | 'edges' | 'features' | 'inputs'> {
  const lines = [...log.matchAll(/^#(\d+)\s.*?cov: (\d+) ft: (\d+) corp: (\d+)/gm)];
  const [, runs, edges, features, inputs] = lines.at(-1) ?? [];
  return {
    runs: Number(runs ?? 0),
    edges: Number(edges ?? 0),
    features: Number(features ?? 0),
    inputs: Number(inputs ?? 0),
  };
}
