// Fields of config space, which are little-endian whatever the host is.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vfio_engine {

// Read and write a field of at most 4 bytes.
inline uint32_t LoadField(const uint8_t* bytes, size_t width) {
  uint32_t value = 0;
  for (size_t i = 0; i < width; i++) value |= static_cast<uint32_t>(bytes[i]) << 8 * i;
  return value;
}

inline void StoreField(uint8_t* bytes, size_t width, uint32_t value) {
  for (size_t i = 0; i < width; i++) bytes[i] = static_cast<uint8_t>(value >> 8 * i);
}

}  // namespace vfio_engine
