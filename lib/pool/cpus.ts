import { readFileSync } from 'node:fs';

import { invalidArgument, systemError, VfioError } from '../base/errors.js';
import { addon } from '../native/addon.js';

/** The CPUs that one worker may run on. */
export type CpuChoice = number | readonly number[];

/** Where workers are to run. */
export interface CpuOptions {
  readonly cpus?: readonly CpuChoice[] | undefined;
  readonly numaNode?: number | undefined;
}

const NODES = '/sys/devices/system/node';

/**
 * Decides the CPUs of each worker, and makes sure that it may have them.
 * @returns a list a worker; none for workers that run where the scheduler likes
 * @throws ERR_INVALID_ARGUMENT; EINVAL when the process may use none of a worker's CPUs; ENODEV for a NUMA node that is not there
 */
export function placeWorkers(workers: number, options: CpuOptions, nodes = NODES): (readonly number[] | undefined)[] {
  const lists = listsOf(options, nodes);
  for (const list of lists) requireUsable(list);
  return Array.from({ length: workers }, (_, worker) => lists[worker % lists.length]);
}

function listsOf({ cpus, numaNode }: CpuOptions, nodes: string): (readonly number[])[] {
  if (cpus !== undefined && numaNode !== undefined) throw invalidArgument('`cpus` and `numaNode` exclude each other');
  if (numaNode !== undefined) return [cpusOfNode(numaNode, nodes)];
  if (cpus === undefined) return [];
  if (cpus.length === 0) throw invalidArgument('`cpus` is empty', 'leave it out to run anywhere');
  return cpus.map((choice) => (typeof choice === 'number' ? [choice] : choice));
}

/** Gives the CPUs of a NUMA node. @throws ENODEV; ERR_INVALID_ARGUMENT for one of memory alone */
export function cpusOfNode(node: number, nodes = NODES): number[] {
  if (!Number.isInteger(node) || node < 0) throw invalidArgument(`a NUMA node is a whole number, not ${node}`);
  const path = `${nodes}/node${node}/cpulist`;
  const cpus = parseCpuList(readNode(node, path, nodes));
  if (cpus.length === 0) throw invalidArgument(`NUMA node ${node} has no CPU that is on`, `see ${nodes}/has_cpu`);
  return cpus;
}

function readNode(node: number, path: string, nodes: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
    throw systemError('ENODEV', 'open', { path, cause, hint: `the machine has no NUMA node ${node}: see ${nodes}` });
  }
}

/** Reads `0-3,8`, as the kernel writes it. */
export function parseCpuList(text: string): number[] {
  const parts = text
    .trim()
    .split(',')
    .filter((part) => part !== '');
  return parts.flatMap((part) => {
    const [first = NaN, last = first] = part.split('-').map(Number);
    if (!Number.isInteger(first) || !Number.isInteger(last)) throw invalidArgument(`'${text}' is not a list of CPUs`);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

function requireUsable(cpus: readonly number[]): void {
  const wrong = cpus.find((cpu) => !Number.isInteger(cpu) || cpu < 0);
  if (cpus.length === 0 || wrong !== undefined) {
    throw invalidArgument(`a worker cannot run on CPU ${wrong ?? '[]'}`, 'CPUs are whole numbers from 0 on');
  }
  try {
    addon.cpusCheck(cpus);
  } catch (error) {
    if (!(error instanceof VfioError) || error.code !== 'EINVAL') throw error;
    const hint = `this process may run on CPU ${addon.threadCpus().join(', ')}`;
    throw systemError('EINVAL', 'sched_setaffinity', { hint: `none of CPU ${cpus.join(', ')} can be had: ${hint}` });
  }
}
