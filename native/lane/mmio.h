// Accesses to device memory. Each is exactly one load or store of exactly the width: 1, 2, 4 or 8 bytes.
#pragma once

#include <atomic>
#include <cstdint>

namespace vfio_engine {

inline uint64_t MmioRead(const uint8_t* address, uint32_t width) {
  switch (width) {
    case 1:
      return *reinterpret_cast<const volatile uint8_t*>(address);
    case 2:
      return *reinterpret_cast<const volatile uint16_t*>(address);
    case 4:
      return *reinterpret_cast<const volatile uint32_t*>(address);
    default:
      return *reinterpret_cast<const volatile uint64_t*>(address);
  }
}

inline void MmioWrite(uint8_t* address, uint32_t width, uint64_t value) {
  switch (width) {
    case 1:
      *reinterpret_cast<volatile uint8_t*>(address) = static_cast<uint8_t>(value);
      break;
    case 2:
      *reinterpret_cast<volatile uint16_t*>(address) = static_cast<uint16_t>(value);
      break;
    case 4:
      *reinterpret_cast<volatile uint32_t*>(address) = static_cast<uint32_t>(value);
      break;
    default:
      *reinterpret_cast<volatile uint64_t*>(address) = value;
  }
}

// Orders all memory accesses before it with those after it, in device memory and in DMA memory.
inline void MmioBarrier() {
#if defined(__x86_64__)
  asm volatile("mfence" ::: "memory");
#elif defined(__aarch64__)
  asm volatile("dsb sy" ::: "memory");
#else
  std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

}  // namespace vfio_engine
