// Structures of the kernel's interface. linux/vfio.h has those that are in the headers of every supported distribution.
// The later ones (Linux 6.2 to 6.13) are defined here under other names, so that the addon builds with headers of any
// age. Source: include/uapi/linux/{vfio,iommufd}.h. The numbers are the kernel's ABI.
#pragma once

#include <linux/vfio.h>

#include <cstdint>

namespace vfio_engine {
namespace uapi {

// One record of VFIO_DEVICE_GET_PCI_HOT_RESET_INFO. `id` is a group, or with the flag DEV_ID an iommufd device id.
struct DependentDevice {
  uint32_t id;
  uint16_t segment;
  uint8_t bus;
  uint8_t devfn;
};
static_assert(sizeof(DependentDevice) == sizeof(vfio_pci_dependent_device), "as the header's");

constexpr unsigned long kDeviceBindIommufd = _IO(VFIO_TYPE, VFIO_BASE + 18);
struct DeviceBindIommufd {
  uint32_t argsz;
  uint32_t flags;
  int32_t iommufd;
  uint32_t out_devid;
};
static_assert(sizeof(DeviceBindIommufd) == 16, "vfio_device_bind_iommufd of Linux 6.6");

constexpr unsigned long kDeviceAttachIommufdPt = _IO(VFIO_TYPE, VFIO_BASE + 19);
struct DeviceAttachIommufdPt {
  uint32_t argsz;
  uint32_t flags;
  uint32_t pt_id;
};
static_assert(sizeof(DeviceAttachIommufdPt) == 12, "vfio_device_attach_iommufd_pt of Linux 6.6");

constexpr unsigned long kDeviceDetachIommufdPt = _IO(VFIO_TYPE, VFIO_BASE + 20);
struct DeviceDetachIommufdPt {
  uint32_t argsz;
  uint32_t flags;
};
static_assert(sizeof(DeviceDetachIommufdPt) == 8, "vfio_device_detach_iommufd_pt of Linux 6.6");

constexpr unsigned long IommufdRequest(unsigned int command) { return _IO(';', command); }

constexpr unsigned long kIommuDestroy = IommufdRequest(0x80);
struct IommuDestroy {
  uint32_t size;
  uint32_t id;
};
static_assert(sizeof(IommuDestroy) == 8, "iommu_destroy");

constexpr unsigned long kIoasAlloc = IommufdRequest(0x81);
struct IoasAlloc {
  uint32_t size;
  uint32_t flags;
  uint32_t out_ioas_id;
};
static_assert(sizeof(IoasAlloc) == 12, "iommu_ioas_alloc");

struct IovaRange {
  uint64_t start;
  uint64_t last;
};
static_assert(sizeof(IovaRange) == 16, "iommu_iova_range");

constexpr unsigned long kIoasAllowIovas = IommufdRequest(0x82);
struct IoasAllowIovas {
  uint32_t size;
  uint32_t ioas_id;
  uint32_t num_iovas;
  uint32_t reserved;
  uint64_t allowed_iovas;
};
static_assert(sizeof(IoasAllowIovas) == 24, "iommu_ioas_allow_iovas");

constexpr unsigned long kIoasCopy = IommufdRequest(0x83);
struct IoasCopy {
  uint32_t size;
  uint32_t flags;
  uint32_t dst_ioas_id;
  uint32_t src_ioas_id;
  uint64_t length;
  uint64_t dst_iova;
  uint64_t src_iova;
};
static_assert(sizeof(IoasCopy) == 40, "iommu_ioas_copy");

constexpr unsigned long kIoasIovaRanges = IommufdRequest(0x84);
struct IoasIovaRanges {
  uint32_t size;
  uint32_t ioas_id;
  uint32_t num_iovas;
  uint32_t reserved;
  uint64_t allowed_iovas;
  uint64_t out_iova_alignment;
};
static_assert(sizeof(IoasIovaRanges) == 32, "iommu_ioas_iova_ranges");

constexpr unsigned long kIoasMap = IommufdRequest(0x85);
struct IoasMap {
  uint32_t size;
  uint32_t flags;
  uint32_t ioas_id;
  uint32_t reserved;
  uint64_t user_va;
  uint64_t length;
  uint64_t iova;
};
static_assert(sizeof(IoasMap) == 40, "iommu_ioas_map");

constexpr unsigned long kIoasUnmap = IommufdRequest(0x86);
struct IoasUnmap {
  uint32_t size;
  uint32_t ioas_id;
  uint64_t iova;
  uint64_t length;
};
static_assert(sizeof(IoasUnmap) == 24, "iommu_ioas_unmap");

constexpr unsigned long kIommuOption = IommufdRequest(0x87);
struct IommuOption {
  uint32_t size;
  uint32_t option_id;
  uint16_t op;
  uint16_t reserved;
  uint32_t object_id;
  uint64_t val64;
};
static_assert(sizeof(IommuOption) == 24, "iommu_option");

constexpr unsigned long kHwptAlloc = IommufdRequest(0x89);
struct HwptAlloc {
  uint32_t size;
  uint32_t flags;
  uint32_t dev_id;
  uint32_t pt_id;
  uint32_t out_hwpt_id;
  uint32_t reserved;
  uint32_t data_type;
  uint32_t data_len;
  uint64_t data_uptr;
};
static_assert(sizeof(HwptAlloc) == 40, "iommu_hwpt_alloc of Linux 6.7");

constexpr unsigned long kIommuGetHwInfo = IommufdRequest(0x8a);
struct IommuGetHwInfo {
  uint32_t size;
  uint32_t flags;
  uint32_t dev_id;
  uint32_t data_len;
  uint64_t data_uptr;
  uint32_t out_data_type;
  uint32_t reserved;
  uint64_t out_capabilities;
};
static_assert(sizeof(IommuGetHwInfo) == 40, "iommu_hw_info of Linux 6.7");

constexpr unsigned long kHwptSetDirtyTracking = IommufdRequest(0x8b);
struct HwptSetDirtyTracking {
  uint32_t size;
  uint32_t flags;
  uint32_t hwpt_id;
  uint32_t reserved;
};
static_assert(sizeof(HwptSetDirtyTracking) == 16, "iommu_hwpt_set_dirty_tracking");

constexpr unsigned long kHwptGetDirtyBitmap = IommufdRequest(0x8c);
struct HwptGetDirtyBitmap {
  uint32_t size;
  uint32_t hwpt_id;
  uint32_t flags;
  uint32_t reserved;
  uint64_t iova;
  uint64_t length;
  uint64_t page_size;
  uint64_t data;
};
static_assert(sizeof(HwptGetDirtyBitmap) == 48, "iommu_hwpt_get_dirty_bitmap");

constexpr unsigned long kIoasMapFile = IommufdRequest(0x8f);
struct IoasMapFile {
  uint32_t size;
  uint32_t flags;
  uint32_t ioas_id;
  int32_t fd;
  uint64_t start;
  uint64_t length;
  uint64_t iova;
};
static_assert(sizeof(IoasMapFile) == 40, "iommu_ioas_map_file of Linux 6.13");

}  // namespace uapi

// Structures of linux/vfio.h. Their sizes are the same in every version of the header.
static_assert(sizeof(vfio_group_status) == 8, "vfio_group_status");
static_assert(sizeof(vfio_region_info) == 32, "vfio_region_info");
static_assert(sizeof(vfio_irq_info) == 16, "vfio_irq_info");
static_assert(sizeof(vfio_irq_set) == 20, "vfio_irq_set");
static_assert(sizeof(vfio_iommu_type1_dma_map) == 32, "vfio_iommu_type1_dma_map");
static_assert(sizeof(vfio_iommu_type1_dma_unmap) == 24, "vfio_iommu_type1_dma_unmap");
static_assert(sizeof(vfio_iommu_type1_dirty_bitmap) == 8, "vfio_iommu_type1_dirty_bitmap");
static_assert(sizeof(vfio_iommu_type1_dirty_bitmap_get) == 40, "vfio_iommu_type1_dirty_bitmap_get");
static_assert(sizeof(vfio_bitmap) == 24, "vfio_bitmap");
static_assert(sizeof(vfio_device_ioeventfd) == 32, "vfio_device_ioeventfd");
static_assert(sizeof(vfio_pci_hot_reset) == 12, "vfio_pci_hot_reset");

}  // namespace vfio_engine
