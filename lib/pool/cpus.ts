import { readFileSync } from 'node:fs';

import { argumentError, requireArray, requireInteger } from '../base/arguments.js';
import { invalidArgument, systemError, VfioError } from '../base/errors.js';
import { addon } from '../native/addon.js';

/** The CPUs that one worker may run on: one, or a list. */
export type CpuChoice = number | readonly number[];

/** Where workers run. */
export interface CpuOptions {
  readonly cpus?: readonly CpuChoice[] | undefined;
  readonly numaNode?: number | undefined;
}

const NODES = '/sys/devices/system/node';

/**
 * Chooses the CPUs of each worker and checks that this process may use them.
 * @param nodes the folder with the NUMA nodes
 * @returns a list of CPUs for each worker; undefined for a worker that may run on all CPUs
 * @throws ERR_INVALID_ARGUMENT if a CPU or a node is not an integer from 0 on; EINVAL if this process may use none of the
 * CPUs of a worker; ENODEV if the machine does not have the NUMA node
 */
export function placeWorkers(workers: number, options: CpuOptions, nodes = NODES): (readonly number[] | undefined)[] {
  const lists = listsOf(options, nodes);
  for (const list of lists) requireUsable(list);
  return Array.from({ length: workers }, (_, worker) => lists[worker % lists.length]);
}

function listsOf({ cpus, numaNode }: CpuOptions, nodes: string): (readonly number[])[] {
  if (cpus !== undefined && numaNode !== undefined)
    throw invalidArgument('`cpus` and `numaNode` must not both be given');
  if (numaNode !== undefined) return [cpusOfNode(numaNode, nodes)];
  if (cpus === undefined) return [];
  requireArray('cpus', cpus);
  if (cpus.length === 0) throw invalidArgument('`cpus` must not be empty', 'leave it out to use all CPUs');
  return cpus.map((choice) => (Array.isArray(choice) ? (choice as readonly number[]) : [choice as number]));
}

/**
 * Reads the CPUs of a NUMA node.
 * @param nodes the folder with the NUMA nodes
 * @throws ENODEV if the machine does not have the node; ERR_INVALID_ARGUMENT if none of the node's CPUs is online
 * @internal Exported for its tests.
 */
export function cpusOfNode(node: number, nodes = NODES): number[] {
  requireInteger('numaNode', node, 0);
  const path = `${nodes}/node${node}/cpulist`;
  const cpus = parseCpuList(readNode(node, path, nodes));
  if (cpus.length === 0) throw invalidArgument(`NUMA node ${node} has no CPU that is online`, `see ${nodes}/has_cpu`);
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

/**
 * Parses a list of CPUs in the kernel's form, such as `0-3,8`. @throws ERR_INVALID_ARGUMENT if it has another form
 * @internal Exported for its tests.
 */
export function parseCpuList(text: string): number[] {
  const parts = text
    .trim()
    .split(',')
    .filter((part) => part !== '');
  return parts.flatMap((part) => {
    const [first = NaN, last = first] = part.split('-').map(Number);
    if (!Number.isInteger(first) || !Number.isInteger(last))
      throw argumentError('cpulist', "a list such as '0-3,8'", text);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

function requireUsable(cpus: readonly number[]): void {
  const wrong = cpus.find((cpu) => !Number.isInteger(cpu) || cpu < 0);
  if (cpus.length === 0 || wrong !== undefined) {
    throw argumentError('cpus[i]', 'a CPU number, or a list of at least one', wrong ?? cpus);
  }
  try {
    addon.cpusCheck(cpus);
  } catch (error) {
    if (!(error instanceof VfioError) || error.code !== 'EINVAL') throw error;
    const usable = `this process may run on CPU ${addon.threadCpus().join(', ')}`;
    throw systemError('EINVAL', 'sched_setaffinity', { hint: `CPU ${cpus.join(', ')} cannot be used: ${usable}` });
  }
}
