import { addon } from './addon.js';

/** The size of this machine's ordinary pages, bytes. Source: sysconf(_SC_PAGESIZE) */
export const PAGE_SIZE = addon.pageSize();

/** The same as a bigint, for addresses and IOVAs. */
export const PAGE_SIZE_BIGINT = BigInt(PAGE_SIZE);
