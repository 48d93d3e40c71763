/** The layout of the test device. README.md describes its regions and registers. */

/** The indexes of its BARs. */
export const BAR = { MEMORY: 0, PORTS: 1, REGISTERS: 2, MSIX: 4 } as const;

/** The sizes of its BARs, in bytes. */
export const SIZE = { MEMORY: 0x10000, PORTS: 256, REGISTERS: 0x10000, MSIX: 4096 } as const;

/** How many vectors it has. */
export const VECTORS = { MSI: 4, MSIX: 16 } as const;

/** Offsets in BAR2. DMA_END and PROBE_END are the ends of the DMA registers and of the probe area. */
export const REG = {
  IDENT: 0x000,
  COUNTER: 0x004,
  SCRATCH: 0x008,
  SCRATCH64: 0x010,
  SCRATCH64_HIGH: 0x014,
  EVENTS: 0x018,
  EVENTS_SET: 0x01c,
  RAISE: 0x020,
  LINE: 0x024,
  DELAY: 0x028,
  SLOW: 0x02c,
  FAULT: 0x030,
  RESETS: 0x034,
  LAST_ACCESS: 0x038,
  BURST: 0x03c,
  MESSAGES: 0x040,
  STEP: 0x044,
  DMA_SOURCE: 0x080,
  DMA_TARGET: 0x088,
  DMA_LENGTH: 0x090,
  DMA_CONTROL: 0x094,
  DMA_STATUS: 0x098,
  DMA_COUNT: 0x09c,
  DMA_END: 0x0a0,
  PROBE: 0x800,
  PROBE_END: 0x1000,
} as const;

/** The value of REG.IDENT, "TEST". */
export const IDENT = 0x5453_4554;

/** Offsets in BAR1. Its first SCRATCH_END bytes are scratch. */
export const PORT = { SCRATCH_END: 0x80, INDEX: 0x80, DATA: 0x81, TOTAL: 0x84 } as const;

/** Bits of DMA_CONTROL, values of DMA_STATUS, and the most bytes of a transfer. */
export const DMA = {
  START: 1,
  MESSAGE: 2,
  SOURCE_IS_BAR0: 4,
  TARGET_IS_BAR0: 8,
  AT_ONCE: 16,
  MAX_LENGTH: 16 << 20,
  IDLE: 0,
  BUSY: 1,
  DONE: 2,
  REFUSED: 3,
} as const;
