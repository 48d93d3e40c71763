import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { addon } from '../../lib/native/addon.js';

/** A line of /proc/self/maps or a block of /proc/self/smaps. */
export interface MemoryArea {
  readonly start: bigint;
  readonly end: bigint;
  readonly rights: string;
  /** In KiB, by their names in smaps, such as `Rss` and `KernelPageSize`. */
  readonly facts: ReadonlyMap<string, number>;
}

const top = fileURLToPath(new URL('../../../', import.meta.url));

/** Reads the process's memory areas from /proc/self/smaps, by ascending address. */
export function memoryAreas(): MemoryArea[] {
  const blocks = readFileSync('/proc/self/smaps', 'latin1').split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/);
  return blocks.map((block) => {
    const [, start = '', end = '', rights = ''] = /^([0-9a-f]+)-([0-9a-f]+) (\S+)/.exec(block) ?? [];
    const facts = [...block.matchAll(/^(\w+): +(\d+) kB$/gm)];
    return {
      start: BigInt(`0x${start}`),
      end: BigInt(`0x${end}`),
      rights,
      facts: new Map(facts.map(([, name = '', value]) => [name, Number(value)])),
    };
  });
}

/** Finds the memory area at an address. @throws if nothing is mapped there */
export function areaAt(address: bigint): MemoryArea {
  const found = memoryAreas().find(({ start, end }) => start <= address && address < end);
  if (found === undefined) throw new Error(`nothing is mapped at 0x${address.toString(16)}`);
  return found;
}

/** Copies bytes of this process from an address. @throws EIO if a part of the range is not mapped */
export function readMemory(address: bigint, target: Uint8Array): void {
  const file = openSync('/proc/self/mem', 'r');
  try {
    const count = readSync(file, target, 0, target.length, address);
    if (count !== target.length) throw new Error(`read ${count} of ${target.length} bytes at ${address.toString(16)}`);
  } finally {
    closeSync(file);
  }
}

export function addressOf(memory: SharedArrayBuffer): bigint {
  return addon.bufferAddress(memory, 0);
}

/** Counts the process's mappings of files whose name contains this text. */
export function countMappings(name: string): number {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => line.includes(name)).length;
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Collects garbage until the condition holds, for at most 10 s. Buffers of external memory are released some time later. */
export async function collectUntil(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!condition() && Date.now() < deadline) await collectGarbage(1);
}

/** Collects garbage several times and lets finalizers run in between. */
export async function collectGarbage(rounds = 20): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    collect();
    await sleep(5);
  }
}

/** Builds an addon that reads the byte at any address, as a stray pointer would. @returns its path, and a function that removes it */
export function buildTouch(): Built {
  const config = readFileSync(join(top, 'native', 'build', 'config.gypi'), 'utf8');
  const nodedir = /"nodedir": "([^"]+)"/.exec(config)?.[1] ?? '/usr';
  return build('touch.c', 'touch.node', ['-shared', '-fPIC', `-I${join(nodedir, 'include', 'node')}`]);
}

/** Builds a program that runs a command without a system call: CALL_NUMBER ERRNO COMMAND [ARGUMENT...]. */
export function buildWithoutCall(): Built {
  return build('without-call.c', 'without-call', []);
}

/** Builds the library for LD_PRELOAD that `FailingCalls` controls. */
export function buildFailCalls(): Built {
  return build('fail-calls.cc', 'fail-calls.so', ['-shared', '-fPIC']);
}

/** The numbers of the system calls that tests forbid. Source: asm/unistd_64.h, asm-generic/unistd.h */
export const CALL_NUMBERS =
  process.arch === 'x64' ? { mbind: 237, userfaultfd: 323 } : { mbind: 235, userfaultfd: 282 };

/** A program or library built by a test. */
export interface Built {
  readonly path: string;
  remove(): void;
}

function build(source: string, target: string, options: readonly string[]): Built {
  const folder = mkdtempSync(join(tmpdir(), 'vfio-engine-built-'));
  const path = join(folder, target);
  const args = [...options, join(top, 'test', 'support', source), '-o', path];
  const { status, stderr } = spawnSync('cc', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`cc: ${stderr}`);
  return { path, remove: () => rmSync(folder, { recursive: true }) };
}
