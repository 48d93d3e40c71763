import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What DMA mappings count against a limit of locked memory, and the limit. */
export interface LockedMemory {
  /** Bytes that this process has locked; undefined where nobody tells. */
  readonly lockedBytes: bigint | undefined;
  /** Bytes; `unlimited`; undefined where nobody tells. */
  readonly limitBytes: bigint | 'unlimited' | undefined;
  /** Whose locked memory the limit is held against. */
  readonly countedFor: 'process' | 'user';
}

/**
 * Where the kernel keeps the count: type1 with what the process itself locks, iommufd beside it and for the user as a whole.
 * Source: __account_locked_vm (type1), iopt_pages do_update_pinned with IOPT_PAGES_ACCOUNT_USER (iommufd), Linux 6.12
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

/** Says what is locked and what may be, for an error's hint. */
export function describeLockedMemory({ lockedBytes, limitBytes, countedFor }: LockedMemory): string {
  const limit = typeof limitBytes === 'bigint' ? `${limitBytes} bytes` : (limitBytes ?? 'unknown');
  const whose = countedFor === 'user' ? ' for all processes of the user' : '';
  return `${lockedBytes ?? 'an unknown number'} are locked by this process, the limit is ${limit}${whose}`;
}
