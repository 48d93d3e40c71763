#include "vfio_pci/config_layout.h"

#include <linux/pci_regs.h>

#include <algorithm>

#include "vfio_pci/capability_sizes.h"

namespace vfio_engine {
namespace {

// Dwords of an extended header: the ID and version are below the pointer to the next one.
constexpr unsigned kNextShift = 20;
constexpr uint32_t kNextMask = 0xFFCu << kNextShift;
constexpr size_t kHeaderSize = PCI_STD_HEADER_SIZEOF;
// Bits of an uncorrectable and of a correctable error that have a meaning.
constexpr uint32_t kUncorrectable = 0x03FFF031u;
constexpr uint32_t kCorrectable = 0x0000F1C1u;

class Builder {
 public:
  explicit Builder(const std::vector<uint8_t>& device) : device_(device) {
    const size_t size = device.size();
    layout_.copy = device;
    layout_.from_copy.assign(size, 0);
    layout_.writable.assign(size, 0);
    layout_.raw.assign(size, 1);
    layout_.owner.assign(size, ConfigLayout::kUnassigned);
  }

  ConfigLayout Build() {
    Own(0, false, 0, kHeaderSize);
    PermitHeader();
    AddCapabilities();
    if (HasExtended()) AddExtended();
    return std::move(layout_);
  }

 private:
  // Gives the bytes to a capability: readable from the device, not writable.
  void Own(uint16_t id, bool extended, size_t start, size_t length) {
    length = std::min(length, device_.size() - start);
    const auto index = static_cast<uint8_t>(layout_.capabilities.size());
    layout_.capabilities.push_back({id, extended, start, length});
    for (size_t at = start; at < start + length; at++) {
      layout_.owner[at] = index;
      layout_.raw[at] = layout_.from_copy[at] = layout_.writable[at] = 0;
    }
  }

  // Sets the permissions of a little-endian field, as far as config space goes.
  void Permit(size_t at, size_t width, uint32_t from_copy, uint32_t writable) {
    for (size_t i = 0; i < width && at + i < device_.size(); i++) {
      layout_.from_copy[at + i] = static_cast<uint8_t>(from_copy >> 8 * i);
      layout_.writable[at + i] = static_cast<uint8_t>(writable >> 8 * i);
    }
  }

  void PermitHeader() {
    constexpr uint32_t all = ~0u;
    Permit(PCI_VENDOR_ID, 4, all, 0);
    Permit(PCI_COMMAND, 2, PCI_COMMAND_INTX_DISABLE, all);
    Permit(PCI_STATUS, 2, PCI_STATUS_CAP_LIST, 0);
    Permit(PCI_CACHE_LINE_SIZE, 2, 0, all);  // and the latency timer
    Permit(PCI_BIST, 1, 0, all);
    for (size_t bar = PCI_BASE_ADDRESS_0; bar <= PCI_BASE_ADDRESS_5; bar += 4) Permit(bar, 4, all, all);
    Permit(PCI_ROM_ADDRESS, 4, all, all);
    Permit(PCI_CAPABILITY_LIST, 1, all, 0);
    Permit(PCI_INTERRUPT_LINE, 1, all, all);
    Permit(PCI_INTERRUPT_PIN, 1, all, 0);
  }

  void AddCapabilities() {
    if ((WordAt(device_, PCI_STATUS) & PCI_STATUS_CAP_LIST) == 0) return;
    size_t link = PCI_CAPABILITY_LIST, seen = 0, shown = 0;
    size_t at = ByteAt(device_, PCI_CAPABILITY_LIST);
    constexpr size_t most = (PCI_CFG_SPACE_SIZE - kHeaderSize) / PCI_CAP_SIZEOF;
    for (; at != 0 && seen < most; seen++) {
      const uint8_t id = ByteAt(device_, at), next = ByteAt(device_, at + PCI_CAP_LIST_NEXT);
      const size_t length = CapabilitySize(device_, id, at);
      if (length == 0 || at < kHeaderSize) {
        layout_.copy[link] = next;
      } else {
        AddCapability(id, at, length);
        link = at + PCI_CAP_LIST_NEXT;
        shown++;
      }
      at = next;
    }
    if (shown == 0) layout_.SetCopyWord(PCI_STATUS, layout_.CopyWord(PCI_STATUS) & ~PCI_STATUS_CAP_LIST);
  }

  void AddCapability(uint8_t id, size_t at, size_t length) {
    Own(id, false, at, length);
    // The ID and the pointer to the next one, so that a capability can be hidden.
    Permit(at, 2, 0xFFFF, 0);
    if (id == PCI_CAP_ID_PM) return PermitPowerManagement(at);
    if (id == PCI_CAP_ID_VPD) {
      Permit(at + PCI_VPD_ADDR, 2, ~0u, ~0u);
      return Permit(at + PCI_VPD_DATA, 4, ~0u, ~0u);
    }
    if (id == PCI_CAP_ID_PCIX) {
      Permit(at + PCI_X_CMD, 2, 0, ~0u);
      if (length > PCI_CAP_PCIX_SIZEOF_V0) Permit(at + PCI_X_ECC_CSR, 4, 0, ~0u);
      return;
    }
    if (id == PCI_CAP_ID_MSI) return PermitMsi(at);
    if (id == PCI_CAP_ID_EXP) return PermitExpress(at, length);
    if (id == PCI_CAP_ID_AF) return Permit(at + PCI_AF_CTRL, 1, PCI_AF_CTRL_FLR, PCI_AF_CTRL_FLR);
    if (id == PCI_CAP_ID_VNDR) SetRaw(at, length);
  }

  // A user cannot handle power management events: their bits are clear and cannot be set. vfio-pci makes the changes of
  // the power state itself.
  void PermitPowerManagement(size_t at) {
    constexpr uint32_t event = PCI_PM_CTRL_PME_ENABLE | PCI_PM_CTRL_PME_STATUS;
    Permit(at + PCI_PM_PMC, 2, PCI_PM_CAP_PME_MASK, 0);
    Permit(at + PCI_PM_CTRL, 4, event, ~(event | PCI_PM_CTRL_STATE_MASK));
    layout_.SetCopyWord(at + PCI_PM_PMC, layout_.CopyWord(at + PCI_PM_PMC) & ~PCI_PM_CAP_PME_MASK);
    layout_.SetCopyWord(at + PCI_PM_CTRL, layout_.CopyWord(at + PCI_PM_CTRL) & ~event);
  }

  void PermitMsi(size_t at) {
    const uint16_t flags = WordAt(device_, at + PCI_MSI_FLAGS);
    const bool wide = (flags & PCI_MSI_FLAGS_64BIT) != 0;
    Permit(at + PCI_MSI_FLAGS, 1, 0xFF, 0xFF);
    Permit(at + PCI_MSI_ADDRESS_LO, 4, ~0u, ~0u);
    if (wide) Permit(at + PCI_MSI_ADDRESS_HI, 4, ~0u, ~0u);
    Permit(at + (wide ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32), 2, ~0u, ~0u);
    // The mask and the pending bits.
    if ((flags & PCI_MSI_FLAGS_MASKBIT) == 0) return;
    Permit(at + (wide ? PCI_MSI_MASK_64 : PCI_MSI_MASK_32), 4, 0, ~0u);
    Permit(at + (wide ? PCI_MSI_PENDING_64 : PCI_MSI_PENDING_32), 4, 0, ~0u);
  }

  // Phantom functions would confuse the IOMMU; the largest payload concerns other devices too.
  void PermitExpress(size_t at, size_t length) {
    constexpr uint32_t own = PCI_EXP_DEVCTL_BCR_FLR | PCI_EXP_DEVCTL_PAYLOAD | PCI_EXP_DEVCTL_READRQ;
    Permit(at + PCI_EXP_DEVCTL, 2, own, 0xFFFFu & ~PCI_EXP_DEVCTL_PHANTOM);
    if (length >= PCI_EXP_DEVCTL2 + 2) Permit(at + PCI_EXP_DEVCTL2, 2, 0, 0xFFFFu & ~PCI_EXP_DEVCTL2_ARI);
  }

  void SetRaw(size_t at, size_t length) {
    for (size_t i = at; i < at + length && i < device_.size(); i++) layout_.raw[i] = 1;
  }

  // Extended capabilities belong to PCI Express and PCI-X 2.
  bool HasExtended() const {
    if (device_.size() <= PCI_CFG_SPACE_SIZE || DwordAt(device_, PCI_CFG_SPACE_SIZE) == 0) return false;
    if (layout_.Find(PCI_CAP_ID_EXP) != nullptr) return true;
    const Capability* pcix = layout_.Find(PCI_CAP_ID_PCIX);
    return pcix != nullptr && pcix->length > PCI_CAP_PCIX_SIZEOF_V0;
  }

  void AddExtended() {
    size_t at = PCI_CFG_SPACE_SIZE, link = 0, shown = 0;
    const size_t most = (device_.size() - PCI_CFG_SPACE_SIZE) / PCI_CAP_SIZEOF;
    for (size_t seen = 0; seen < most && at >= PCI_CFG_SPACE_SIZE && at < device_.size(); seen++) {
      const uint32_t header = DwordAt(device_, at);
      const auto id = static_cast<uint16_t>(PCI_EXT_CAP_ID(header));
      const size_t next = PCI_EXT_CAP_NEXT(header);
      const size_t length = ExtendedCapabilitySize(device_, id, at);
      if (length == 0 && link != 0) {
        SetCopyDword(link, (CopyDword(link) & ~kNextMask) | static_cast<uint32_t>(next) << kNextShift);
      } else {
        AddExtendedCapability(id, at, length);
        link = at;
        shown += length == 0 ? 0 : 1;
      }
      at = next;
    }
    if (shown == 0) SetCopyDword(PCI_CFG_SPACE_SIZE, 0);
  }

  // A hidden one at the start of the chain stays as a header without an ID.
  void AddExtendedCapability(uint16_t id, size_t at, size_t length) {
    Own(id, true, at, length == 0 ? PCI_CAP_SIZEOF : length);
    Permit(at, 4, ~0u, 0);
    if (length == 0) SetCopyDword(at, CopyDword(at) & kNextMask);
    if (id == PCI_EXT_CAP_ID_ERR) {
      for (size_t field : {PCI_ERR_UNCOR_STATUS, PCI_ERR_UNCOR_MASK, PCI_ERR_UNCOR_SEVER})
        Permit(at + field, 4, 0, kUncorrectable);
      for (size_t field : {PCI_ERR_COR_STATUS, PCI_ERR_COR_MASK}) Permit(at + field, 4, 0, kCorrectable);
      Permit(at + PCI_ERR_CAP, 4, 0, PCI_ERR_CAP_ECRC_GENE | PCI_ERR_CAP_ECRC_CHKE);
    }
    if (id == PCI_EXT_CAP_ID_PWR) Permit(at + PCI_PWR_DATA, 1, 0, 0xFF);
    if (id == PCI_EXT_CAP_ID_VNDR || id == PCI_EXT_CAP_ID_DVSEC) SetRaw(at, length);
  }

  uint32_t CopyDword(size_t at) const { return DwordAt(layout_.copy, at); }
  void SetCopyDword(size_t at, uint32_t value) {
    layout_.SetCopyWord(at, static_cast<uint16_t>(value));
    layout_.SetCopyWord(at + 2, static_cast<uint16_t>(value >> 16));
  }

  const std::vector<uint8_t>& device_;
  ConfigLayout layout_;
};

}  // namespace

const Capability* ConfigLayout::Find(uint16_t id, bool extended) const {
  for (const Capability& capability : capabilities) {
    if (capability.id == id && capability.extended == extended) return &capability;
  }
  return nullptr;
}

void ConfigLayout::SetCopyWord(size_t at, uint16_t value) {
  if (at + 1 >= copy.size()) return;
  copy[at] = static_cast<uint8_t>(value);
  copy[at + 1] = static_cast<uint8_t>(value >> 8);
}

ConfigLayout LayOutConfig(const std::vector<uint8_t>& device) { return Builder(device).Build(); }

}  // namespace vfio_engine
