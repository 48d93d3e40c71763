// The sizes of capabilities. Source: drivers/vfio/pci/vfio_pci_config.c (6.12): vfio_cap_len, vfio_ext_cap_len.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace vfio_engine {

// Read config space that is as long as the device says; what lies behind it reads as zeroes.
uint8_t ByteAt(const std::vector<uint8_t>& config, size_t at);
uint16_t WordAt(const std::vector<uint8_t>& config, size_t at);
uint32_t DwordAt(const std::vector<uint8_t>& config, size_t at);

// Returns the size in bytes of the capability at `at`, 0 if vfio-pci hides it.
size_t CapabilitySize(const std::vector<uint8_t>& config, uint8_t id, size_t at);
size_t ExtendedCapabilitySize(const std::vector<uint8_t>& config, uint16_t id, size_t at);

}  // namespace vfio_engine
