/** Protection bits of mmap. Source: asm-generic/mman-common.h */

export const PROT_READ = 1;
export const PROT_WRITE = 2;
