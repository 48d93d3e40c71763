// Offsets and bits of PCI config space. Source: linux/pci_regs.h (6.12). The names are the header's.

/** The size of conventional config space, in bytes. */
export const PCI_CFG_SPACE_SIZE = 256;
/** The size of PCI Express config space, in bytes. */
export const PCI_CFG_SPACE_EXP_SIZE = 4096;
/** The offset of the first extended capability, on a device with 4096 bytes of config space. The name is ours. */
export const PCI_EXT_CAP_START = 0x100;

/** The vendor id, 16 bits. */
export const PCI_VENDOR_ID = 0x00;
/** The device id, 16 bits. */
export const PCI_DEVICE_ID = 0x02;
/** The command register, 16 bits. */
export const PCI_COMMAND = 0x04;
/** The device responds to I/O ports. */
export const PCI_COMMAND_IO = 0x1;
/** The device responds to memory accesses. */
export const PCI_COMMAND_MEMORY = 0x2;
/** The device can do DMA and send MSI messages. */
export const PCI_COMMAND_MASTER = 0x4;
/** The device reports parity errors. */
export const PCI_COMMAND_PARITY = 0x40;
/** The device can signal SERR#. */
export const PCI_COMMAND_SERR = 0x100;
/** The device does not signal INTx. */
export const PCI_COMMAND_INTX_DISABLE = 0x400;
/** The status register, 16 bits. */
export const PCI_STATUS = 0x06;
/** The device asserts INTx. */
export const PCI_STATUS_INTERRUPT = 0x08;
/** The device has a list of capabilities. */
export const PCI_STATUS_CAP_LIST = 0x10;
/** The revision id in the low 8 bits, the class code above it, 32 bits. */
export const PCI_CLASS_REVISION = 0x08;
/** The revision id, 8 bits. */
export const PCI_REVISION_ID = 0x08;
/** The first byte of the class code: the programming interface. */
export const PCI_CLASS_PROG = 0x09;
/** The size of a cache line in units of 4 bytes, 8 bits. */
export const PCI_CACHE_LINE_SIZE = 0x0c;
/** The latency timer, 8 bits. */
export const PCI_LATENCY_TIMER = 0x0d;
/** The header type, 8 bits. */
export const PCI_HEADER_TYPE = 0x0e;
/** The bits of the layout in the header type. */
export const PCI_HEADER_TYPE_MASK = 0x7f;
/** The layout of a device. */
export const PCI_HEADER_TYPE_NORMAL = 0;
/** The layout of a bridge. */
export const PCI_HEADER_TYPE_BRIDGE = 1;
/** The slot has several functions. */
export const PCI_HEADER_TYPE_MFD = 0x80;
/** BAR 0, 32 bits. */
export const PCI_BASE_ADDRESS_0 = 0x10;
/** BAR 1, 32 bits. */
export const PCI_BASE_ADDRESS_1 = 0x14;
/** BAR 2, 32 bits. */
export const PCI_BASE_ADDRESS_2 = 0x18;
/** BAR 3, 32 bits. */
export const PCI_BASE_ADDRESS_3 = 0x1c;
/** BAR 4, 32 bits. */
export const PCI_BASE_ADDRESS_4 = 0x20;
/** BAR 5, 32 bits. */
export const PCI_BASE_ADDRESS_5 = 0x24;
/** The BAR has I/O ports, not memory. */
export const PCI_BASE_ADDRESS_SPACE_IO = 0x01;
/** The bits of the type of a memory BAR. */
export const PCI_BASE_ADDRESS_MEM_TYPE_MASK = 0x06;
/** The memory BAR has a 64-bit address and uses the next BAR too. */
export const PCI_BASE_ADDRESS_MEM_TYPE_64 = 0x04;
/** The memory BAR is prefetchable. */
export const PCI_BASE_ADDRESS_MEM_PREFETCH = 0x08;
/** The address bits of a memory BAR, as a signed 32-bit number. */
export const PCI_BASE_ADDRESS_MEM_MASK = ~0x0f;
/** The address bits of an I/O BAR, as a signed 32-bit number. */
export const PCI_BASE_ADDRESS_IO_MASK = ~0x03;
/** The number of a bridge's upstream bus, 8 bits. */
export const PCI_PRIMARY_BUS = 0x18;
/** The number of a bridge's downstream bus, 8 bits. */
export const PCI_SECONDARY_BUS = 0x19;
/** The highest bus number behind a bridge, 8 bits. */
export const PCI_SUBORDINATE_BUS = 0x1a;
/** The subsystem vendor id, 16 bits. */
export const PCI_SUBSYSTEM_VENDOR_ID = 0x2c;
/** The subsystem id, 16 bits. */
export const PCI_SUBSYSTEM_ID = 0x2e;
/** The address register of the expansion ROM, 32 bits. */
export const PCI_ROM_ADDRESS = 0x30;
/** The device responds at the address of its ROM. */
export const PCI_ROM_ADDRESS_ENABLE = 0x01;
/** The address bits of the ROM register, as a signed 32-bit number. */
export const PCI_ROM_ADDRESS_MASK = ~0x7ff;
/** The offset of the first capability, 8 bits. */
export const PCI_CAPABILITY_LIST = 0x34;
/** The address register of the expansion ROM of a bridge, 32 bits. */
export const PCI_ROM_ADDRESS1 = 0x38;
/** The interrupt line, 8 bits; only software uses it. */
export const PCI_INTERRUPT_LINE = 0x3c;
/** The interrupt pin, 8 bits: 0 for none, 1 (INTA) to 4 (INTD). */
export const PCI_INTERRUPT_PIN = 0x3d;
/** The size of the standard header, in bytes. */
export const PCI_STD_HEADER_SIZEOF = 0x40;

/** The power management capability. */
export const PCI_CAP_ID_PM = 0x01;
/** The control and status register of the power management capability, 16 bits. */
export const PCI_PM_CTRL = 4;
/** The power state: 0 is D0, 3 is D3hot. */
export const PCI_PM_CTRL_STATE_MASK = 0x0003;
/** The MSI capability. */
export const PCI_CAP_ID_MSI = 0x05;
/** The vendor-specific capability. */
export const PCI_CAP_ID_VNDR = 0x09;
/** The PCI Express capability. */
export const PCI_CAP_ID_EXP = 0x10;
/** The MSI-X capability. */
export const PCI_CAP_ID_MSIX = 0x11;

/** The control register of the MSI capability, 16 bits. */
export const PCI_MSI_FLAGS = 0x02;
/** MSI is enabled. */
export const PCI_MSI_FLAGS_ENABLE = 0x0001;
/** The number of vectors that the device has, as a power of two. */
export const PCI_MSI_FLAGS_QMASK = 0x000e;
/** The number of vectors that are enabled, as a power of two. */
export const PCI_MSI_FLAGS_QSIZE = 0x0070;
/** The device can send messages to 64-bit addresses. */
export const PCI_MSI_FLAGS_64BIT = 0x0080;
/** The low half of the message address, 32 bits. */
export const PCI_MSI_ADDRESS_LO = 0x04;
/** The high half of the message address, 32 bits; only with PCI_MSI_FLAGS_64BIT. */
export const PCI_MSI_ADDRESS_HI = 0x08;
/** The message data of a device with PCI_MSI_FLAGS_64BIT, 16 bits. */
export const PCI_MSI_DATA_64 = 0x0c;

/** The control register of the MSI-X capability, 16 bits. */
export const PCI_MSIX_FLAGS = 0x02;
/** All vectors are masked. */
export const PCI_MSIX_FLAGS_MASKALL = 0x4000;
/** MSI-X is enabled. */
export const PCI_MSIX_FLAGS_ENABLE = 0x8000;
/** The BAR index (bits 0 to 2) and the offset of the vector table, 32 bits. */
export const PCI_MSIX_TABLE = 0x04;
/** The BAR index (bits 0 to 2) and the offset of the pending bits, 32 bits. */
export const PCI_MSIX_PBA = 0x08;
/** The size of an entry of the vector table, in bytes. */
export const PCI_MSIX_ENTRY_SIZE = 16;
/** The offset of the control register in an entry, 32 bits. */
export const PCI_MSIX_ENTRY_VECTOR_CTRL = 12;
/** The vector is masked. */
export const PCI_MSIX_ENTRY_CTRL_MASKBIT = 0x1;

/** The flags of the PCI Express capability, 16 bits. */
export const PCI_EXP_FLAGS = 0x02;
/** The device capabilities, 32 bits. */
export const PCI_EXP_DEVCAP = 0x04;
/** The device reports errors by role. */
export const PCI_EXP_DEVCAP_RBER = 0x0000_8000;
/** The function supports function level reset. */
export const PCI_EXP_DEVCAP_FLR = 0x1000_0000;
/** The device control register, 16 bits. */
export const PCI_EXP_DEVCTL = 0x08;
/** Starts a function level reset (on a bridge: retries configuration accesses). */
export const PCI_EXP_DEVCTL_BCR_FLR = 0x8000;
/** The link capabilities, 32 bits. */
export const PCI_EXP_LNKCAP = 0x0c;
/** The link control register, 16 bits. */
export const PCI_EXP_LNKCTL = 0x10;
/** The link status register, 16 bits. */
export const PCI_EXP_LNKSTA = 0x12;
