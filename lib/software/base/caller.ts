/** The process that makes a call, with the capabilities that VFIO checks. Source: capable() */
export interface Caller {
  /** CAP_SYS_RAWIO: the process may use noiommu groups. */
  readonly capSysRawio: boolean;
}

/** The process that pays for pinned memory. Source: struct mm_struct, locked_vm */
export interface MemlockAccount {
  /** How many more bytes the process may lock. */
  readonly lockableBytes: bigint;
  /** How many bytes its mappings have locked. */
  lockedBytes: bigint;
}
