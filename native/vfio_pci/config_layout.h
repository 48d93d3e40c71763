// How vfio-pci shows config space: which bits it keeps in a copy of its own, which can be written, and which
// capabilities it hides. Source: drivers/vfio/pci/vfio_pci_config.c (6.12), behaviour.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace vfio_engine {

// A capability that the user sees. The header is one too, with ID 0.
struct Capability {
  uint16_t id;
  bool extended;
  size_t start;
  size_t length;
};

// All vectors have an element for each byte of config space.
struct ConfigLayout {
  static constexpr uint8_t kUnassigned = 0xFF;

  // The copy, as a user finds it at the open.
  std::vector<uint8_t> copy;
  // Bits that are read from the copy. The others are read from the device.
  std::vector<uint8_t> from_copy;
  // Bits that can be written: to the copy if they are read from there, else to the device.
  std::vector<uint8_t> writable;
  // 1 where a write goes to the device as it is: what no capability has, and vendors' capabilities.
  std::vector<uint8_t> raw;
  // An index into `capabilities`, or kUnassigned.
  std::vector<uint8_t> owner;
  std::vector<Capability> capabilities;

  // The first capability of this ID, or null.
  const Capability* Find(uint16_t id, bool extended = false) const;
  uint16_t CopyWord(size_t at) const { return static_cast<uint16_t>(copy[at] | copy[at + 1] << 8); }
  void SetCopyWord(size_t at, uint16_t value);
};

// Lays out a function's config space. `device` is the whole of it as the device has it: 256 or 4,096 bytes. Chains that
// lead out of config space or in a circle end there. Thread: any.
ConfigLayout LayOutConfig(const std::vector<uint8_t>& device);

}  // namespace vfio_engine
