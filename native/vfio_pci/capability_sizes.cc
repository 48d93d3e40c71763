#include "vfio_pci/capability_sizes.h"

#include <linux/pci_regs.h>

#include <algorithm>

namespace vfio_engine {
namespace {

constexpr size_t kAgpSize = 12;
constexpr size_t kMsiSize = 10, kMsi64Bit = 4, kMsiMasks = 10;
// In 6.12; earlier headers have other sizes.
constexpr size_t kExpressRootV1 = 0xC, kExpressV1 = 0x14, kExpressRootV2 = 0x2C, kExpressV2 = 0x34;

constexpr size_t RoundUp(size_t value, size_t to) { return (value + to - 1) / to * to; }

size_t MsiSize(uint16_t flags) {
  return kMsiSize + ((flags & PCI_MSI_FLAGS_64BIT) != 0 ? kMsi64Bit : 0) +
         ((flags & PCI_MSI_FLAGS_MASKBIT) != 0 ? kMsiMasks : 0);
}

size_t ExpressSize(uint16_t flags) {
  const bool on_root_complex = (flags & PCI_EXP_FLAGS_TYPE) >> 4 == PCI_EXP_TYPE_RC_END;
  if ((flags & PCI_EXP_FLAGS_VERS) == 1) return on_root_complex ? kExpressRootV1 : kExpressV1;
  return on_root_complex ? kExpressRootV2 : kExpressV2;
}

// Virtual channels: a fixed part, one for each channel, and the table of the arbiter.
size_t ChannelsSize(uint32_t first, uint32_t second) {
  size_t size = PCI_CAP_VC_BASE_SIZEOF + (1 + (first & PCI_VC_CAP1_EVCC)) * PCI_CAP_VC_PER_VC_SIZEOF;
  size_t phases = (second & PCI_VC_CAP2_128_PHASE) != 0  ? 128
                  : (second & PCI_VC_CAP2_64_PHASE) != 0 ? 64
                  : (second & PCI_VC_CAP2_32_PHASE) != 0 ? 32
                                                         : 0;
  return phases == 0 ? size : RoundUp(size, 16) + phases * 4 / 8;
}

size_t AccessControlSize(const std::vector<uint8_t>& config, size_t at) {
  if ((ByteAt(config, at + PCI_ACS_CAP) & PCI_ACS_EC) == 0) return 8;
  const uint8_t bits = ByteAt(config, at + PCI_ACS_EGRESS_BITS);
  return 8 + (bits == 0 ? 256 : RoundUp(bits, 32)) / 8;
}

size_t ProcessingHintsSize(uint32_t capability) {
  if ((capability & PCI_TPH_CAP_LOC_MASK) != PCI_TPH_LOC_CAP) return PCI_TPH_BASE_SIZEOF;
  return PCI_TPH_BASE_SIZEOF + ((capability & PCI_TPH_CAP_ST_MASK) >> PCI_TPH_CAP_ST_SHIFT) * 2 + 2;
}

}  // namespace

uint8_t ByteAt(const std::vector<uint8_t>& config, size_t at) { return at < config.size() ? config[at] : 0; }

uint16_t WordAt(const std::vector<uint8_t>& config, size_t at) {
  return static_cast<uint16_t>(ByteAt(config, at) | ByteAt(config, at + 1) << 8);
}

uint32_t DwordAt(const std::vector<uint8_t>& config, size_t at) {
  return WordAt(config, at) | static_cast<uint32_t>(WordAt(config, at + 2)) << 16;
}

size_t CapabilitySize(const std::vector<uint8_t>& config, uint8_t id, size_t at) {
  switch (id) {
    case PCI_CAP_ID_PM:
      return PCI_PM_SIZEOF;
    case PCI_CAP_ID_AGP:
      return kAgpSize;
    case PCI_CAP_ID_VPD:
      return PCI_CAP_VPD_SIZEOF;
    case PCI_CAP_ID_MSI:
      return MsiSize(WordAt(config, at + PCI_MSI_FLAGS));
    case PCI_CAP_ID_PCIX:
      return (WordAt(config, at + PCI_X_CMD) & 0x3000) != 0 ? PCI_CAP_PCIX_SIZEOF_V2 : PCI_CAP_PCIX_SIZEOF_V0;
    case PCI_CAP_ID_HT:
      return (ByteAt(config, at + 3) & HT_3BIT_CAP_MASK) != 0 ? HT_CAP_SIZEOF_SHORT : HT_CAP_SIZEOF_LONG;
    case PCI_CAP_ID_VNDR:
      return ByteAt(config, at + PCI_CAP_FLAGS);
    case PCI_CAP_ID_EXP:
      return ExpressSize(WordAt(config, at + PCI_EXP_FLAGS));
    case PCI_CAP_ID_MSIX:
      return PCI_CAP_MSIX_SIZEOF;
    case PCI_CAP_ID_SATA:
      return (ByteAt(config, at + PCI_SATA_REGS) & PCI_SATA_REGS_MASK) == PCI_SATA_REGS_INLINE ? PCI_SATA_SIZEOF_LONG
                                                                                               : PCI_SATA_SIZEOF_SHORT;
    case PCI_CAP_ID_AF:
      return PCI_CAP_AF_SIZEOF;
    default:
      return 0;
  }
}

size_t ExtendedCapabilitySize(const std::vector<uint8_t>& config, uint16_t id, size_t at) {
  switch (id) {
    case PCI_EXT_CAP_ID_ERR:
      return PCI_ERR_ROOT_COMMAND;
    case PCI_EXT_CAP_ID_VC:
    case PCI_EXT_CAP_ID_VC9:
    case PCI_EXT_CAP_ID_MFVC:
      return ChannelsSize(DwordAt(config, at + PCI_VC_PORT_CAP1), DwordAt(config, at + PCI_VC_PORT_CAP2));
    case PCI_EXT_CAP_ID_DSN:
      return PCI_EXT_CAP_DSN_SIZEOF;
    case PCI_EXT_CAP_ID_PWR:
      return PCI_EXT_CAP_PWR_SIZEOF;
    case PCI_EXT_CAP_ID_VNDR:
    case PCI_EXT_CAP_ID_DVSEC:
      return DwordAt(config, at + 4) >> 20;
    case PCI_EXT_CAP_ID_ACS:
      return AccessControlSize(config, at);
    case PCI_EXT_CAP_ID_ARI:
      return PCI_EXT_CAP_ARI_SIZEOF;
    case PCI_EXT_CAP_ID_ATS:
      return PCI_EXT_CAP_ATS_SIZEOF;
    case PCI_EXT_CAP_ID_SRIOV:
      return PCI_EXT_CAP_SRIOV_SIZEOF;
    case PCI_EXT_CAP_ID_MCAST:
      return PCI_EXT_CAP_MCAST_ENDPOINT_SIZEOF;
    case PCI_EXT_CAP_ID_PRI:
      return PCI_EXT_CAP_PRI_SIZEOF;
    case PCI_EXT_CAP_ID_REBAR:
      return 4 + ((ByteAt(config, at + PCI_REBAR_CTRL) & PCI_REBAR_CTRL_NBAR_MASK) >> PCI_REBAR_CTRL_NBAR_SHIFT) * 8;
    case PCI_EXT_CAP_ID_DPA:
      return PCI_DPA_BASE_SIZEOF + (ByteAt(config, at + PCI_DPA_CAP) & PCI_DPA_CAP_SUBSTATE_MASK) + 1;
    case PCI_EXT_CAP_ID_TPH:
      return ProcessingHintsSize(DwordAt(config, at + PCI_TPH_CAP));
    case PCI_EXT_CAP_ID_LTR:
      return PCI_EXT_CAP_LTR_SIZEOF;
    default:
      return 0;
  }
}

}  // namespace vfio_engine
