#include "vfio_pci/virtual_config.h"

#include <linux/pci_regs.h>

#include <algorithm>
#include <cerrno>

#include "vfio_pci/little_endian.h"

namespace vfio_engine {
namespace {

constexpr uint16_t kDecode = PCI_COMMAND_MEMORY | PCI_COMMAND_IO;
constexpr uint32_t kD3 = 3;

uint32_t FieldAt(const std::vector<uint8_t>& bytes, size_t at, size_t width) {
  return LoadField(bytes.data() + at, width);
}

void SetFieldAt(std::vector<uint8_t>& bytes, size_t at, size_t width, uint32_t value) {
  StoreField(bytes.data() + at, width, value);
}

uint32_t BarFlags(uint32_t value) {
  return (value & PCI_BASE_ADDRESS_SPACE_IO) != 0 ? PCI_BASE_ADDRESS_SPACE_IO : value & ~PCI_BASE_ADDRESS_MEM_MASK;
}

bool IsBar(size_t at) {
  return (at >= PCI_BASE_ADDRESS_0 && at < PCI_BASE_ADDRESS_5 + 4) ||
         (at >= PCI_ROM_ADDRESS && at < PCI_ROM_ADDRESS + 4);
}

}  // namespace

VirtualConfig::VirtualConfig(PhysicalFunction& function, const std::vector<uint8_t>& device,
                             const std::vector<uint64_t>& bars)
    : function_(function), layout_(LayOutConfig(device)), bar_sizes_(bars), bar_flags_(kBars) {
  for (size_t i = 0; i < kRomBar; i++) bar_flags_[i] = BarFlags(FieldAt(layout_.copy, PCI_BASE_ADDRESS_0 + 4 * i, 4));
  const uint16_t command = layout_.CopyWord(PCI_COMMAND);
  decodes_.store((command & PCI_COMMAND_MEMORY) != 0);
  intx_disabled_.store((command & PCI_COMMAND_INTX_DISABLE) != 0);
}

ssize_t VirtualConfig::Read(uint64_t at, uint8_t* data, size_t count) {
  return Access(at, count, [&](size_t done, size_t width) {
    uint32_t value = 0;
    const int error = ReadChunk(at + done, width, &value);
    if (error == 0) StoreField(data + done, width, value);
    return error;
  });
}

ssize_t VirtualConfig::Write(uint64_t at, const uint8_t* data, size_t count) {
  return Access(at, count,
                [&](size_t done, size_t width) { return WriteChunk(at + done, width, LoadField(data + done, width)); });
}

template <class Chunk>
ssize_t VirtualConfig::Access(uint64_t at, size_t count, Chunk chunk) {
  const size_t size = layout_.copy.size();
  if (at >= size || count > size - at) return -EFAULT;
  std::lock_guard<std::mutex> lock(mutex_);
  for (size_t done = 0; done < count;) {
    const size_t width = ChunkAt(at + done, count - done);
    const int error = chunk(done, width);
    if (error != 0) return error;
    done += width;
  }
  return static_cast<ssize_t>(count);
}

// An access goes by naturally aligned fields of one capability. Source: vfio_config_do_rw
size_t VirtualConfig::ChunkAt(size_t at, size_t count) const {
  size_t same = 1;
  while ((at + same) % 4 != 0 && layout_.owner[at + same] == layout_.owner[at]) same++;
  count = std::min(count, same);
  if (count >= 4) return 4;
  return count >= 2 && at % 2 == 0 ? 2 : 1;
}

int VirtualConfig::ReadChunk(size_t at, size_t width, uint32_t* value) {
  if (IsBar(at)) FixBars();
  const uint32_t from_copy = FieldAt(layout_.from_copy, at, width);
  *value = FieldAt(layout_.copy, at, width);
  if (from_copy == ~0u >> (32 - 8 * width)) return 0;
  uint32_t physical = 0;
  const int error = function_.ReadConfig(at, width, &physical);
  *value = (physical & ~from_copy) | (*value & from_copy);
  return error;
}

int VirtualConfig::WriteChunk(size_t at, size_t width, uint32_t value) {
  if (layout_.raw[at] != 0) return function_.WriteConfig(at, width, value);
  const Capability& capability = layout_.capabilities[layout_.owner[at]];
  if (capability.start == 0) return WriteHeader(at, width, value);
  if (capability.extended) return WriteFields(at, width, value);
  const size_t start = capability.start;
  switch (capability.id) {
    case PCI_CAP_ID_PM:
      return WritePowerManagement(start, at, width, value);
    case PCI_CAP_ID_MSI:
      return WriteMsi(start, at, width, value);
    case PCI_CAP_ID_EXP:
      return WriteWithReset(at, width, value, start + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR, start + PCI_EXP_DEVCAP,
                            PCI_EXP_DEVCAP_FLR);
    case PCI_CAP_ID_AF:
      // The capabilities and the control byte, from the ID on.
      return WriteWithReset(at, width, value, start + PCI_AF_CTRL, PCI_AF_CTRL_FLR, start,
                            (PCI_AF_CAP_FLR | PCI_AF_CAP_TP) << 8 * PCI_AF_CAP);
    default:
      return WriteFields(at, width, value);
  }
}

// Source: vfio_default_config_write
int VirtualConfig::WriteFields(size_t at, size_t width, uint32_t value) {
  const uint32_t writable = FieldAt(layout_.writable, at, width);
  const uint32_t to_copy = writable & FieldAt(layout_.from_copy, at, width);
  const uint32_t to_device = writable & ~to_copy;
  if (to_copy != 0) {
    SetFieldAt(layout_.copy, at, width, (FieldAt(layout_.copy, at, width) & ~to_copy) | (value & to_copy));
  }
  if (to_device == 0) return 0;
  uint32_t physical = 0;
  const int error = function_.ReadConfig(at, width, &physical);
  if (error != 0) return error;
  return function_.WriteConfig(at, width, (physical & ~to_device) | (value & to_device));
}

// Source: vfio_basic_config_write
int VirtualConfig::WriteHeader(size_t at, size_t width, uint32_t value) {
  const bool was_on = memory_enabled();
  if (at == PCI_COMMAND && (value & PCI_COMMAND_MEMORY) == 0 && was_on) function_.DecodeMemory(false);
  const int error = WriteFields(at, width, value);
  if (error == 0 && at == PCI_COMMAND) {
    layout_.SetCopyWord(PCI_COMMAND, (layout_.CopyWord(PCI_COMMAND) & ~kDecode) | (value & kDecode));
    decodes_.store((value & PCI_COMMAND_MEMORY) != 0, std::memory_order_release);
  }
  // After a failed write too: then the memory is as it was.
  if (at == PCI_COMMAND && memory_enabled()) function_.DecodeMemory(true);
  if (error != 0) return error;
  if (at == PCI_COMMAND || at == PCI_COMMAND + 1) {
    const bool disabled = (layout_.CopyWord(PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE) != 0;
    if (intx_disabled_.exchange(disabled) != disabled) function_.DisableIntx(disabled);
  }
  if (IsBar(at)) bars_written_ = true;
  return 0;
}

// Source: vfio_pm_config_write
int VirtualConfig::WritePowerManagement(size_t start, size_t at, size_t width, uint32_t value) {
  const int error = WriteFields(at, width, value);
  if (error != 0 || at != start + PCI_PM_CTRL) return error;
  const uint32_t state = value & PCI_PM_CTRL_STATE_MASK;
  uint32_t control = 0;
  const int failed = function_.ReadConfig(at, 2, &control);
  if (failed != 0) return failed;
  if (state == kD3) function_.DecodeMemory(false);
  asleep_.store(state == kD3);
  const int written = function_.WriteConfig(at, 2, (control & ~static_cast<uint32_t>(PCI_PM_CTRL_STATE_MASK)) | state);
  if (memory_enabled()) function_.DecodeMemory(true);
  return written;
}

// MSI is enabled by SET_IRQS alone, for as many vectors as that call set up. Source: vfio_msi_config_write
int VirtualConfig::WriteMsi(size_t start, size_t at, size_t width, uint32_t value) {
  const int error = WriteFields(at, width, value);
  const size_t flags_at = start + PCI_MSI_FLAGS;
  if (error != 0 || at > flags_at || at + width < flags_at) return error;
  uint32_t flags = layout_.CopyWord(flags_at);
  if (!function_.msi_enabled()) flags &= ~static_cast<uint32_t>(PCI_MSI_FLAGS_ENABLE);
  const unsigned order = function_.msi_order();
  if ((flags & PCI_MSI_FLAGS_QSIZE) >> 4 > order)
    flags = (flags & ~static_cast<uint32_t>(PCI_MSI_FLAGS_QSIZE)) | order << 4;
  layout_.SetCopyWord(flags_at, static_cast<uint16_t>(flags));
  return function_.WriteConfig(flags_at, 2, flags);
}

// The reset bit reads as 0. Source: vfio_exp_config_write, vfio_af_config_write
int VirtualConfig::WriteWithReset(size_t at, size_t width, uint32_t value, size_t control, uint16_t bit, size_t capable,
                                  uint32_t capable_bits) {
  const int error = WriteFields(at, width, value);
  if (error != 0 || (layout_.CopyWord(control) & bit) == 0) return error;
  layout_.SetCopyWord(control, static_cast<uint16_t>(layout_.CopyWord(control) & ~bit));
  uint32_t capabilities = 0;
  if (function_.ReadConfig(capable, 4, &capabilities) != 0) return 0;
  if ((capabilities & capable_bits) == capable_bits) function_.Reset();
  return 0;
}

// Gives the BARs' registers the bits that a size and a kind leave. Source: vfio_bar_fixup
void VirtualConfig::FixBars() {
  if (!bars_written_) return;
  bars_written_ = false;
  for (size_t i = 0; i < kRomBar; i++) {
    const size_t at = PCI_BASE_ADDRESS_0 + 4 * i;
    const uint64_t size = bar_sizes_[i];
    const uint64_t mask = size == 0 ? 0 : ~(size - 1);
    const uint32_t flags = size == 0 ? 0 : bar_flags_[i];
    SetFieldAt(layout_.copy, at, 4, (FieldAt(layout_.copy, at, 4) & static_cast<uint32_t>(mask)) | flags);
    if ((flags & PCI_BASE_ADDRESS_SPACE_IO) != 0 || (flags & PCI_BASE_ADDRESS_MEM_TYPE_64) == 0) continue;
    SetFieldAt(layout_.copy, at + 4, 4, FieldAt(layout_.copy, at + 4, 4) & static_cast<uint32_t>(mask >> 32));
    i++;
  }
  const uint64_t size = bar_sizes_[kRomBar];
  const uint64_t mask = size == 0 ? 0 : ~(size - 1) | PCI_ROM_ADDRESS_ENABLE;
  SetFieldAt(layout_.copy, PCI_ROM_ADDRESS, 4, FieldAt(layout_.copy, PCI_ROM_ADDRESS, 4) & static_cast<uint32_t>(mask));
}

}  // namespace vfio_engine
