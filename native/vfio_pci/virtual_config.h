// The config space of an open device, as vfio-pci shows it to the user. Source: drivers/vfio/pci/vfio_pci_config.c
// (6.12), behaviour.
#pragma once

#include <linux/pci_regs.h>
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include "vfio_pci/config_layout.h"

namespace vfio_engine {

// The function behind it. All return 0 or a negative errno and may block.
class PhysicalFunction {
 public:
  virtual ~PhysicalFunction() = default;
  // Access config space as the function has it. Little-endian fields of 1, 2 or 4 bytes.
  virtual int ReadConfig(size_t at, size_t width, uint32_t* value) = 0;
  virtual int WriteConfig(size_t at, size_t width, uint32_t value) = 0;
  virtual void Reset() = 0;
  // The device stops to answer memory accesses, or answers them again.
  virtual void DecodeMemory(bool on) = 0;
  // The user's INTx disable bit was set or cleared.
  virtual void DisableIntx(bool disabled) = 0;
  // Whether SET_IRQS has enabled MSI, and the binary logarithm of how many vectors it got last, rounded up.
  virtual bool msi_enabled() const = 0;
  virtual unsigned msi_order() const = 0;
};

// The BARs and the ROM.
constexpr size_t kBars = 7;
constexpr size_t kRomBar = 6;

class VirtualConfig {
 public:
  // `device` is config space as the device has it, `bars` the size in bytes of each BAR, 0 for an absent one. The
  // function must live as long as this object.
  VirtualConfig(PhysicalFunction& function, const std::vector<uint8_t>& device, const std::vector<uint64_t>& bars);

  // Access any bytes. Return their count, -EFAULT if they are not all in config space, or the function's error.
  // Thread: any that may block.
  ssize_t Read(uint64_t at, uint8_t* data, size_t count);
  ssize_t Write(uint64_t at, const uint8_t* data, size_t count);

  // Whether memory BARs answer: by the command register and the power state. Thread: any.
  bool memory_enabled() const { return decodes_.load(std::memory_order_acquire) && !asleep_.load(); }
  // Whether the user has disabled INTx. Thread: any.
  bool intx_disabled() const { return intx_disabled_.load(std::memory_order_acquire); }
  const ConfigLayout& layout() const { return layout_; }
  uint64_t bar_size(size_t bar) const { return bar_sizes_[bar]; }
  bool is_memory(size_t bar) const { return (bar_flags_[bar] & PCI_BASE_ADDRESS_SPACE_IO) == 0; }

 private:
  template <class Chunk>
  ssize_t Access(uint64_t at, size_t count, Chunk chunk);
  size_t ChunkAt(size_t at, size_t count) const;
  int ReadChunk(size_t at, size_t width, uint32_t* value);
  int WriteChunk(size_t at, size_t width, uint32_t value);
  int WriteFields(size_t at, size_t width, uint32_t value);
  int WriteHeader(size_t at, size_t width, uint32_t value);
  int WritePowerManagement(size_t start, size_t at, size_t width, uint32_t value);
  int WriteMsi(size_t start, size_t at, size_t width, uint32_t value);
  int WriteWithReset(size_t at, size_t width, uint32_t value, size_t control, uint16_t bit, size_t capable,
                     uint32_t capable_bits);
  void FixBars();

  PhysicalFunction& function_;
  ConfigLayout layout_;
  const std::vector<uint64_t> bar_sizes_;
  std::vector<uint32_t> bar_flags_;  // the low bits of each register: its kind
  std::mutex mutex_;                 // held during an access
  bool bars_written_ = true;
  std::atomic<bool> decodes_{false};
  std::atomic<bool> asleep_{false};
  std::atomic<bool> intx_disabled_{false};
};

}  // namespace vfio_engine
