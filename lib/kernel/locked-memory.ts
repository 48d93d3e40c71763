import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The memory that DMA mappings have locked, and its limit. */
export interface LockedMemory {
  /** Bytes that this process has locked; undefined if unknown. */
  readonly lockedBytes: bigint | undefined;
  /** Bytes, or `unlimited`; undefined if unknown. */
  readonly limitBytes: bigint | 'unlimited' | undefined;
  /** Whether the limit applies to the process or to all processes of the user. */
  readonly countedFor: 'process' | 'user';
}

/**
 * The field of /proc/self/status that has the count. type1 adds to the memory that the process locks itself. iommufd has a
 * count of its own, and applies the limit to the user. Source: __account_locked_vm (type1), iopt_pages do_update_pinned with IOPT_PAGES_ACCOUNT_USER (iommufd), Linux 6.12
 */
const COUNTERS = {
  type1: { field: 'VmLck', countedFor: 'process' },
  iommufd: { field: 'VmPin', countedFor: 'user' },
} as const;

/**
 * Reads how much memory this process has locked by DMA mappings, and RLIMIT_MEMLOCK.
 * @param by the kind of IOMMU object that locked it
 * @param root /proc/self, or what stands for it
 * @throws what reading /proc throws
 */
export async function readLockedMemory(by: keyof typeof COUNTERS, root = '/proc/self'): Promise<LockedMemory> {
  const { field, countedFor } = COUNTERS[by];
  const [status, limits] = await Promise.all([
    readFile(join(root, 'status'), 'latin1'),
    readFile(join(root, 'limits'), 'latin1'),
  ]);
  const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1];
  const lockedBytes = kibibytes === undefined ? undefined : BigInt(kibibytes) * 1024n;
  const soft = /^Max locked memory\s+(\d+|unlimited)/m.exec(limits)?.[1];
  const limitBytes = soft === undefined || soft === 'unlimited' ? soft : BigInt(soft);
  return { lockedBytes, limitBytes, countedFor };
}

/** Describes the locked memory and the limit for the hint of an error. */
export function describeLockedMemory({ lockedBytes, limitBytes, countedFor }: LockedMemory): string {
  const limit = typeof limitBytes === 'bigint' ? `${limitBytes} bytes` : (limitBytes ?? 'unknown');
  const whose = countedFor === 'user' ? ' for all processes of the user' : '';
  return `${lockedBytes ?? 'an unknown number'} are locked by this process, the limit is ${limit}${whose}`;
}
