#include "vfio_pci/pci_function.h"

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/sys_error.h"
#include "vfio_pci/capability_sizes.h"
#include "vfio_pci/little_endian.h"
#include "vfio_user/message.h"

namespace vfio_engine {

PciFunction::PciFunction(std::shared_ptr<Connection> device, size_t config_size, const std::vector<uint64_t>& bars,
                         const IrqCounts& irqs)
    : device_(std::move(device)), irqs_(device_, irqs), config_(*this, ReadWhole(*device_, config_size), bars) {
  const ConfigLayout& layout = config_.layout();
  const Capability* msix = layout.Find(PCI_CAP_ID_MSIX);
  if (msix == nullptr) return;
  const uint32_t place = DwordAt(layout.copy, msix->start + PCI_MSIX_TABLE);
  const uint16_t flags = layout.CopyWord(msix->start + PCI_MSIX_FLAGS);
  table_region_ = static_cast<int>(place & PCI_MSIX_TABLE_BIR);
  table_start_ = place & PCI_MSIX_TABLE_OFFSET;
  table_end_ = table_start_ + ((flags & PCI_MSIX_FLAGS_QSIZE) + 1) * uint64_t{PCI_MSIX_ENTRY_SIZE};
}

std::vector<uint8_t> PciFunction::ReadWhole(Connection& device, size_t size) {
  std::vector<uint8_t> bytes(size);
  const ssize_t moved = device.RegionRead(VFIO_PCI_CONFIG_REGION_INDEX, 0, bytes.data(), static_cast<uint32_t>(size));
  if (moved < 0) throw SysError(static_cast<int>(-moved), "vfio-user(REGION_READ)");
  if (static_cast<size_t>(moved) != size) throw SysError(EIO, "vfio-user(REGION_READ)");
  return bytes;
}

ssize_t PciFunction::RegionRead(uint32_t region_index, uint64_t offset, void* data, uint32_t count) {
  if (!alive()) return -ENODEV;
  auto* target = static_cast<uint8_t*>(data);
  if (region_index == VFIO_PCI_CONFIG_REGION_INDEX) return config_.Read(offset, target, count);
  if (region_index > VFIO_PCI_CONFIG_REGION_INDEX) return device_->RegionRead(region_index, offset, data, count);
  return MoveBar(region_index, offset, count, [&](uint64_t at, Piece piece) -> ssize_t {
    uint8_t* to = target + (at - offset);
    if (!piece.is_table) return device_->RegionRead(region_index, at, to, piece.count);
    std::memset(to, 0xFF, piece.count);
    return piece.count;
  });
}

ssize_t PciFunction::RegionWrite(uint32_t region_index, uint64_t offset, const void* data, uint32_t count) {
  if (!alive()) return -ENODEV;
  auto* source = static_cast<const uint8_t*>(data);
  if (region_index == VFIO_PCI_CONFIG_REGION_INDEX) return config_.Write(offset, source, count);
  if (region_index == VFIO_PCI_ROM_REGION_INDEX) return -EINVAL;
  if (region_index > VFIO_PCI_CONFIG_REGION_INDEX) return device_->RegionWrite(region_index, offset, data, count);
  return MoveBar(region_index, offset, count, [&](uint64_t at, Piece piece) -> ssize_t {
    // The user sets up vectors by SET_IRQS: what it writes to the table is dropped.
    return piece.is_table ? piece.count : device_->RegionWrite(region_index, at, source + (at - offset), piece.count);
  });
}

int PciFunction::Request(uint16_t command, const std::vector<uint8_t>& payload, const std::vector<int>& fds,
                         Reply& reply) {
  return alive() ? device_->Request(command, payload, fds, reply) : -ENODEV;
}

// Returns how many bytes of an access are in the BAR, or a negative errno.
ssize_t PciFunction::CheckBar(uint32_t region_index, uint64_t offset, uint32_t count) const {
  const uint64_t size = config_.bar_size(region_index);
  if (offset >= size) return -EINVAL;
  // Without memory decoding, the ROM has no signature.
  if (region_index == VFIO_PCI_ROM_REGION_INDEX && !config_.memory_enabled()) return -ENOMEM;
  return static_cast<ssize_t>(std::min<uint64_t>(count, size - offset));
}

PciFunction::Piece PciFunction::PieceAt(uint32_t region_index, uint64_t offset, uint32_t count) const {
  if (static_cast<int>(region_index) != table_region_ || offset >= table_end_) return {count, false};
  const bool is_table = offset >= table_start_;
  const uint64_t end = is_table ? table_end_ : table_start_;
  return {static_cast<uint32_t>(std::min<uint64_t>(count, end - offset)), is_table};
}

template <class Move>
ssize_t PciFunction::MoveBar(uint32_t region_index, uint64_t offset, uint32_t count, Move move) {
  const ssize_t length = CheckBar(region_index, offset, count);
  if (length < 0) return length;
  const bool is_memory = config_.is_memory(region_index);
  for (uint64_t at = offset; at < offset + length;) {
    const Piece piece = PieceAt(region_index, at, static_cast<uint32_t>(offset + length - at));
    if (is_memory && !piece.is_table && !config_.memory_enabled()) return -EIO;
    const ssize_t moved = move(at, piece);
    if (moved < 0) return moved;
    at += moved;
    if (moved < piece.count) return static_cast<ssize_t>(at - offset);
  }
  return length;
}

int PciFunction::SetIrqs(const IrqSet& set, const std::vector<uint8_t>& data) {
  return alive() ? irqs_.Set(set, data, config_.intx_disabled()) : -ENODEV;
}

int PciFunction::ReadConfig(size_t at, size_t width, uint32_t* value) {
  uint8_t bytes[4] = {};
  const ssize_t moved = device_->RegionRead(VFIO_PCI_CONFIG_REGION_INDEX, at, bytes, static_cast<uint32_t>(width));
  if (moved < 0) return static_cast<int>(moved);
  if (moved != static_cast<ssize_t>(width)) return -EIO;
  *value = LoadField(bytes, width);
  return 0;
}

int PciFunction::WriteConfig(size_t at, size_t width, uint32_t value) {
  uint8_t bytes[4];
  StoreField(bytes, width, value);
  const ssize_t moved = device_->RegionWrite(VFIO_PCI_CONFIG_REGION_INDEX, at, bytes, static_cast<uint32_t>(width));
  if (moved < 0) return static_cast<int>(moved);
  return moved == static_cast<ssize_t>(width) ? 0 : -EIO;
}

// Like pci_try_reset_function, whose error vfio-pci ignores.
void PciFunction::Reset() {
  Reply reply;
  device_->Request(wire::kDeviceReset, {}, {}, reply);
}

// The device's bit follows the user's. To set it masks INTx, to clear it unmasks INTx, whoever had masked it: first
// that, so that a level which is still asserted is signalled once. Source: vfio_basic_config_write
void PciFunction::DisableIntx(bool disabled) {
  if (!disabled) irqs_.UnmaskIntx();
  uint32_t command = 0;
  if (ReadConfig(PCI_COMMAND, 2, &command) != 0) return;
  const uint32_t bit = PCI_COMMAND_INTX_DISABLE;
  WriteConfig(PCI_COMMAND, 2, disabled ? command | bit : command & ~bit);
}

}  // namespace vfio_engine
