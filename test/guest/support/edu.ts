/** What a read of edu's identification register gives: the version in the upper 16 bits. */
export const EDU_IDENTIFICATION = 0x010000ed;

/** edu's registers, by their offset in BAR 0, and the bits of its DMA command. Source: QEMU docs/specs/edu.rst */
export const EDU = {
  identification: 0x00,
  /** Gives the inverse of what was written. */
  liveness: 0x04,
  factorial: 0x08,
  status: 0x20,
  interruptStatus: 0x24,
  raiseInterrupt: 0x60,
  acknowledgeInterrupt: 0x64,
  dmaSource: 0x80,
  dmaDestination: 0x88,
  dmaCount: 0x90,
  dmaCommand: 0x98,
  /** Set in the command while a transfer runs. */
  dmaRun: 0x01,
  /** Commands: run, and the direction. */
  toDevice: 0x01n,
  toMemory: 0x03n,
  /** Where the device's own buffer of 4 KiB lies, in the device's addresses. */
  dmaBuffer: 0x40000n,
} as const;
