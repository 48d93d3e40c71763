/** Where the test device's things lie. */

export const BAR = { MEMORY: 0, PORTS: 1, REGISTERS: 2, MSIX: 4 } as const;
export const SIZE = { MEMORY: 0x10000, PORTS: 256, REGISTERS: 0x10000, MSIX: 4096 } as const;
export const VECTORS = { MSI: 4, MSIX: 16 } as const;

/**
 * BAR2. Widths 4 and 8 unless said; an access of another width reads 0 and writes nothing. What is not here reads 0.
 *
 * | offset | name         | width | access | meaning                                                                  |
 * |--------|--------------|-------|--------|--------------------------------------------------------------------------|
 * | 0x000  | IDENT        | 4     | RO     | 0x54534554, "TEST"                                                       |
 * | 0x004  | COUNTER      | 4     | RO     | counts its own reads, from 0                                             |
 * | 0x008  | SCRATCH      | 4     | RW     | keeps what was written                                                   |
 * | 0x010  | SCRATCH64    | 4, 8  | RW     | the same, 64 bits; its halves at 0x010 and 0x014 in width 4              |
 * | 0x018  | EVENTS       | 4     | RW1C   | writing a one clears that bit                                            |
 * | 0x01c  | EVENTS_SET   | 4     | WO     | writing a one sets that bit of EVENTS                                    |
 * | 0x020  | RAISE        | 4     | WO     | sends message n once                                                     |
 * | 0x024  | LINE         | 4     | RW     | bit 0 is the level of INTx                                               |
 * | 0x028  | DELAY        | 4     | RW     | how many ms each access to SLOW takes, at most 10,000                    |
 * | 0x02c  | SLOW         | 4     | RW     | keeps what was written, slowly                                           |
 * | 0x030  | FAULT        | 4     | RW     | writing 0 makes the model throw, writing n its next n reads, which else give 0 |
 * | 0x034  | RESETS       | 4     | RO     | counts resets; outlives them                                             |
 * | 0x038  | LAST_ACCESS  | 4     | RO     | of the access before to 0x800-0xfff: offset << 8, write << 4, width      |
 * | 0x03c  | BURST        | 4     | WO     | sends message (value >> 16) as often as the low 16 bits say              |
 * | 0x040  | MESSAGES     | 4     | RO     | counts messages that RAISE and BURST sent                                |
 * | 0x044  | STEP         | 4     | RW     | counts down by one each read, stops at 0: something to poll              |
 * | 0x080  | DMA_SOURCE   | 4, 8  | RW     | an iova, or an offset in BAR0                                            |
 * | 0x088  | DMA_TARGET   | 4, 8  | RW     | the same                                                                 |
 * | 0x090  | DMA_LENGTH   | 4     | RW     | bytes, at most 16 MiB                                                    |
 * | 0x094  | DMA_CONTROL  | 4     | RW     | 1 start (reads 0), 2 message when done, 4 source is BAR0, 8 target is     |
 * |        |              |       |        | BAR0, 16 at once, inside of this write; bits 8-15 the message's number   |
 * | 0x098  | DMA_STATUS   | 4     | RO     | 0 idle, 1 busy, 2 done, 3 refused or out of range                        |
 * | 0x09c  | DMA_COUNT    | 4     | RO     | counts transfers that ended                                              |
 * | 0x800  | PROBE        | any   | RW     | 2 KiB of bytes in any width; LAST_ACCESS tells how they were reached     |
 */
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

export const IDENT = 0x5453_4554;

/**
 * BAR1. Widths 1, 2 and 4.
 *
 * | offset | name    | access | meaning                                              |
 * |--------|---------|--------|------------------------------------------------------|
 * | 0x00   | SCRATCH | RW     | 128 bytes that keep what was written, in any width   |
 * | 0x80   | INDEX   | RW     | 1 byte: which byte of 256 DATA is                    |
 * | 0x81   | DATA    | RW     | 1 byte; every access moves INDEX on by one           |
 * | 0x84   | TOTAL   | RO     | 4 bytes: counts all accesses to the ports before it  |
 */
export const PORT = { SCRATCH_END: 0x80, INDEX: 0x80, DATA: 0x81, TOTAL: 0x84 } as const;

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
