/** Registers of QEMU's educational device, BAR0. Source: QEMU docs/specs/edu.rst */
export const EDU_VENDOR_ID = 0x1234;
export const EDU_DEVICE_ID = 0x11e8;

export const EDU_IDENTIFICATION = 0x00;
export const EDU_IDENTIFICATION_VALUE = 0x010000ed;
/** Answers the inverse of what was written. */
export const EDU_LIVENESS = 0x04;
export const EDU_INTERRUPT_STATUS = 0x24;
export const EDU_INTERRUPT_RAISE = 0x60;
export const EDU_INTERRUPT_ACKNOWLEDGE = 0x64;
export const EDU_DMA_SOURCE = 0x80;
export const EDU_DMA_DESTINATION = 0x88;
export const EDU_DMA_COUNT = 0x90;
export const EDU_DMA_COMMAND = 0x98;

export const EDU_DMA_START = 1 << 0;
/** From the device's buffer to memory; without it, the other way. */
export const EDU_DMA_TO_MEMORY = 1 << 1;
export const EDU_DMA_INTERRUPT = 1 << 2;
/** The bit of the interrupt status that the end of a DMA sets. */
export const EDU_STATUS_DMA = 0x100;

/** The device's own buffer as DMA addresses it, and its size in bytes. */
export const EDU_BUFFER = 0x40000;
export const EDU_BUFFER_SIZE = 4096;
/** The last address that its DMA reaches, unless QEMU was told otherwise. */
export const EDU_DMA_MASK = (1n << 28n) - 1n;
