// Numbers of the VFIO user interface. Source: linux/vfio.h (6.12). The names are the header's.

/** The version that VFIO_GET_API_VERSION returns. */
export const VFIO_API_VERSION = 0;

// The extensions of VFIO_CHECK_EXTENSION.
/** Type1, version 1: an unmap can split a mapping. Also an IOMMU type for VFIO_SET_IOMMU. */
export const VFIO_TYPE1_IOMMU = 1;
/** sPAPR TCE of POWER. Also an IOMMU type for VFIO_SET_IOMMU. */
export const VFIO_SPAPR_TCE_IOMMU = 2;
/** Type1, version 2: an unmap takes whole mappings. Also an IOMMU type for VFIO_SET_IOMMU. */
export const VFIO_TYPE1v2_IOMMU = 3;
/** The IOMMU enforces cache coherency for DMA. */
export const VFIO_DMA_CC_IOMMU = 4;
/** Enhanced error handling of POWER (EEH). */
export const VFIO_EEH = 5;
/** Type1 with two stages of translation. */
export const VFIO_TYPE1_NESTING_IOMMU = 6;
/** sPAPR TCE of POWER, version 2. Also an IOMMU type for VFIO_SET_IOMMU. */
export const VFIO_SPAPR_TCE_v2_IOMMU = 7;
/** No IOMMU: the device reaches all memory. Also an IOMMU type for VFIO_SET_IOMMU. */
export const VFIO_NOIOMMU_IOMMU = 8;
/** VFIO_DMA_UNMAP_FLAG_ALL is supported. */
export const VFIO_UNMAP_ALL = 9;
/** VFIO_DMA_MAP_FLAG_VADDR and VFIO_DMA_UNMAP_FLAG_VADDR are supported. */
export const VFIO_UPDATE_VADDR = 10;

/** Every device of the group is bound to a VFIO driver or to no driver. */
export const VFIO_GROUP_FLAGS_VIABLE = 1 << 0;
/** The group is in a container. */
export const VFIO_GROUP_FLAGS_CONTAINER_SET = 1 << 1;

/** The device supports VFIO_DEVICE_RESET. */
export const VFIO_DEVICE_FLAGS_RESET = 1 << 0;
/** The device is a PCI device. */
export const VFIO_DEVICE_FLAGS_PCI = 1 << 1;
/** The device info has capabilities. */
export const VFIO_DEVICE_FLAGS_CAPS = 1 << 7;

/** The region can be read. */
export const VFIO_REGION_INFO_FLAG_READ = 1 << 0;
/** The region can be written. */
export const VFIO_REGION_INFO_FLAG_WRITE = 1 << 1;
/** The region, or areas of it, can be mapped. */
export const VFIO_REGION_INFO_FLAG_MMAP = 1 << 2;
/** The region info has capabilities. */
export const VFIO_REGION_INFO_FLAG_CAPS = 1 << 3;

/** The capability that lists the areas that can be mapped. */
export const VFIO_REGION_INFO_CAP_SPARSE_MMAP = 1;
/** The capability that gives the type of a device-specific region. */
export const VFIO_REGION_INFO_CAP_TYPE = 2;
/** The capability that allows mapping the pages of the MSI-X table. */
export const VFIO_REGION_INFO_CAP_MSIX_MAPPABLE = 3;

/** The region of BAR 0. */
export const VFIO_PCI_BAR0_REGION_INDEX = 0;
/** The region of BAR 1. */
export const VFIO_PCI_BAR1_REGION_INDEX = 1;
/** The region of BAR 2. */
export const VFIO_PCI_BAR2_REGION_INDEX = 2;
/** The region of BAR 3. */
export const VFIO_PCI_BAR3_REGION_INDEX = 3;
/** The region of BAR 4. */
export const VFIO_PCI_BAR4_REGION_INDEX = 4;
/** The region of BAR 5. */
export const VFIO_PCI_BAR5_REGION_INDEX = 5;
/** The region of the expansion ROM. */
export const VFIO_PCI_ROM_REGION_INDEX = 6;
/** The region of config space. */
export const VFIO_PCI_CONFIG_REGION_INDEX = 7;
/** The region of the legacy VGA ranges. */
export const VFIO_PCI_VGA_REGION_INDEX = 8;
/** The number of fixed region indexes. Device-specific regions follow. */
export const VFIO_PCI_NUM_REGIONS = 9;

/** Region i of a device begins at file offset i << 40 of vfio-pci. Source: linux/vfio_pci_core.h, VFIO_PCI_OFFSET_SHIFT. */
export const VFIO_PCI_OFFSET_SHIFT = 40n;

/** The interrupt pin. */
export const VFIO_PCI_INTX_IRQ_INDEX = 0;
/** MSI. */
export const VFIO_PCI_MSI_IRQ_INDEX = 1;
/** MSI-X. */
export const VFIO_PCI_MSIX_IRQ_INDEX = 2;
/** The signal of an uncorrectable PCI error. */
export const VFIO_PCI_ERR_IRQ_INDEX = 3;
/** The signal of the kernel's request to release the device. */
export const VFIO_PCI_REQ_IRQ_INDEX = 4;
/** The number of IRQ indexes. */
export const VFIO_PCI_NUM_IRQS = 5;

/** The IRQ index signals eventfds. */
export const VFIO_IRQ_INFO_EVENTFD = 1 << 0;
/** The IRQ index supports the actions MASK and UNMASK. */
export const VFIO_IRQ_INFO_MASKABLE = 1 << 1;
/** The kernel masks the interrupt when it arrives. */
export const VFIO_IRQ_INFO_AUTOMASKED = 1 << 2;
/** To enable more vectors, all vectors must be disabled first. */
export const VFIO_IRQ_INFO_NORESIZE = 1 << 3;

/** VFIO_DEVICE_SET_IRQS has no data. */
export const VFIO_IRQ_SET_DATA_NONE = 1 << 0;
/** VFIO_DEVICE_SET_IRQS has one byte for each vector. */
export const VFIO_IRQ_SET_DATA_BOOL = 1 << 1;
/** VFIO_DEVICE_SET_IRQS has one eventfd for each vector; -1 removes it. */
export const VFIO_IRQ_SET_DATA_EVENTFD = 1 << 2;
/** VFIO_DEVICE_SET_IRQS masks the vectors. */
export const VFIO_IRQ_SET_ACTION_MASK = 1 << 3;
/** VFIO_DEVICE_SET_IRQS unmasks the vectors. */
export const VFIO_IRQ_SET_ACTION_UNMASK = 1 << 4;
/** VFIO_DEVICE_SET_IRQS sets the eventfds of the vectors, or triggers the vectors. */
export const VFIO_IRQ_SET_ACTION_TRIGGER = 1 << 5;
/** The bits of the data type. */
export const VFIO_IRQ_SET_DATA_TYPE_MASK = 0x07;
/** The bits of the action. */
export const VFIO_IRQ_SET_ACTION_TYPE_MASK = 0x38;

/** The IOMMU info has page sizes. */
export const VFIO_IOMMU_INFO_PGSIZES = 1 << 0;
/** The IOMMU info has capabilities. */
export const VFIO_IOMMU_INFO_CAPS = 1 << 1;
/** The capability that lists the ranges of IOVAs that can be mapped. */
export const VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE = 1;
/** The capability of dirty page tracking. */
export const VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION = 2;
/** The capability that gives the number of mappings that are left. */
export const VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL = 3;

/** The device can read the memory. */
export const VFIO_DMA_MAP_FLAG_READ = 1 << 0;
/** The device can write the memory. */
export const VFIO_DMA_MAP_FLAG_WRITE = 1 << 1;
/** VFIO_IOMMU_MAP_DMA changes the address of an existing mapping. */
export const VFIO_DMA_MAP_FLAG_VADDR = 1 << 2;

/** VFIO_IOMMU_UNMAP_DMA returns the dirty pages of the mapping. */
export const VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP = 1 << 0;
/** VFIO_IOMMU_UNMAP_DMA unmaps everything. */
export const VFIO_DMA_UNMAP_FLAG_ALL = 1 << 1;
/** VFIO_IOMMU_UNMAP_DMA keeps the mappings and forgets their addresses. */
export const VFIO_DMA_UNMAP_FLAG_VADDR = 1 << 2;
/** VFIO_IOMMU_DIRTY_PAGES starts to track dirty pages. */
export const VFIO_IOMMU_DIRTY_PAGES_FLAG_START = 1 << 0;
/** VFIO_IOMMU_DIRTY_PAGES stops to track dirty pages. */
export const VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP = 1 << 1;
/** VFIO_IOMMU_DIRTY_PAGES returns the dirty pages and clears them. */
export const VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP = 1 << 2;

/** The hot reset info has iommufd device ids instead of group ids. */
export const VFIO_PCI_HOT_RESET_FLAG_DEV_ID = 1 << 0;
/** All affected devices are in the caller's iommufd. */
export const VFIO_PCI_HOT_RESET_FLAG_DEV_ID_OWNED = 1 << 1;

// The flags of VFIO_DEVICE_FEATURE: the number of a feature in bits 0 to 15, the operation above it.
/** The bits of a feature number in the flags of VFIO_DEVICE_FEATURE. */
export const VFIO_DEVICE_FEATURE_MASK = 0xffff;
/** VFIO_DEVICE_FEATURE gets the feature. */
export const VFIO_DEVICE_FEATURE_GET = 1 << 16;
/** VFIO_DEVICE_FEATURE sets the feature. */
export const VFIO_DEVICE_FEATURE_SET = 1 << 17;
/** VFIO_DEVICE_FEATURE tests whether the feature is supported. */
export const VFIO_DEVICE_FEATURE_PROBE = 1 << 18;
/** The feature that sets the token which a user of a virtual function must know. */
export const VFIO_DEVICE_FEATURE_PCI_VF_TOKEN = 0;
/** The feature that tells how the device can be migrated. */
export const VFIO_DEVICE_FEATURE_MIGRATION = 1;
/** The feature that gets and sets the state of a migration. */
export const VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE = 2;
/** The feature that allows low power states. */
export const VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY = 3;
/** The feature that allows low power states and signals an eventfd at wake-up. */
export const VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP = 4;
/** The feature that leaves low power states. */
export const VFIO_DEVICE_FEATURE_LOW_POWER_EXIT = 5;
/** The feature that starts the log of pages that the device writes. */
export const VFIO_DEVICE_FEATURE_DMA_LOGGING_START = 6;
/** The feature that stops the log. */
export const VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP = 7;
/** The feature that reads the log and clears it. */
export const VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT = 8;
/** The feature that estimates the size of the migration data. */
export const VFIO_DEVICE_FEATURE_MIG_DATA_SIZE = 9;
/** The feature that enables and disables bus mastering. */
export const VFIO_DEVICE_FEATURE_BUS_MASTER = 10;
