/**
 * Registers of QEMU's educational device, and the bits in them.
 * Source: QEMU docs/specs/edu.rst
 */

export const EDU_VENDOR_ID = 0x1234;
export const EDU_DEVICE_ID = 0x11e8;

/** Offsets of the registers in BAR0. The table in README.md describes them. */
export const EDU_REG = {
  IDENT: 0x00,
  LIVENESS: 0x04,
  FACTORIAL: 0x08,
  STATUS: 0x20,
  IRQ_STATUS: 0x24,
  IRQ_RAISE: 0x60,
  IRQ_ACK: 0x64,
  DMA_SOURCE: 0x80,
  DMA_TARGET: 0x88,
  DMA_COUNT: 0x90,
  DMA_COMMAND: 0x98,
} as const;

/** The value of IDENT: the version in the upper 16 bits, 0xed in the lowest byte. */
export const EDU_IDENT = 0x0100_00ed;

/** Bits of STATUS. */
export const EDU_STATUS = {
  /** Read only: a factorial is being computed. */
  COMPUTING: 0x01,
  /** Raise `EDU_IRQ.FACTORIAL` when the factorial is computed. */
  INTERRUPT: 0x80,
} as const;

/** Bits of IRQ_STATUS that the device itself sets. */
export const EDU_IRQ = { FACTORIAL: 0x001, DMA: 0x100 } as const;

/** Bits of DMA_COMMAND. */
export const EDU_DMA = {
  /** Starts a transfer; reads as 1 while it runs. */
  RUN: 1,
  /** From the device's buffer to memory; without this bit, from memory to the buffer. */
  TO_MEMORY: 2,
  /** Raise `EDU_IRQ.DMA` when the transfer is done. */
  INTERRUPT: 4,
} as const;

/** The device's own buffer: its address in DMA_SOURCE and DMA_TARGET, and its size in bytes. Only DMA reaches it. */
export const EDU_BUFFER = { START: 0x40000, SIZE: 4096 } as const;

/** The highest iova that the device drives, unless it is configured otherwise. */
export const EDU_DMA_MASK = (1n << 28n) - 1n;
