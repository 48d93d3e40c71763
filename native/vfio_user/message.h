// The vfio-user header, and the payloads that native code writes or reads. Host endian, as the protocol says.
// Source: QEMU's docs/interop/vfio-user.rst, version 0.0; lib/vfio-user/protocol/ has all messages.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vfio_engine {
namespace wire {

struct Header {
  uint16_t id;
  uint16_t command;
  uint32_t size;  // of the whole message
  uint32_t flags;
  uint32_t error;
};
static_assert(sizeof(Header) == 16, "vfio-user header");

struct RegionAccess {
  uint64_t offset;
  uint32_t region;
  uint32_t count;
};
static_assert(sizeof(RegionAccess) == 16, "REGION_READ, REGION_WRITE");

struct DmaAccess {
  uint64_t iova;
  uint64_t count;
};
static_assert(sizeof(DmaAccess) == 16, "DMA_READ, DMA_WRITE");

constexpr uint16_t kDeviceSetIrqs = 8;
constexpr uint16_t kRegionRead = 9;
constexpr uint16_t kRegionWrite = 10;
constexpr uint16_t kDmaRead = 11;
constexpr uint16_t kDmaWrite = 12;
constexpr uint16_t kDeviceReset = 13;

constexpr uint32_t kTypeMask = 0xf;
constexpr uint32_t kCommand = 0;
constexpr uint32_t kReply = 1;
constexpr uint32_t kNoReply = 1u << 4;
constexpr uint32_t kError = 1u << 5;

// The most data in one transfer, the protocol's default, and the longest message around it.
constexpr uint32_t kMaxTransfer = 1u << 20;
constexpr uint32_t kMaxMessage = kMaxTransfer + 4096;

// Tells whether a header is valid: a known type and a size that includes the header. libvfio-user sends error replies
// with a payload, which the specification excludes.
inline bool Valid(const Header& header) {
  return (header.flags & kTypeMask) <= kReply && header.size >= sizeof(Header);
}

}  // namespace wire
}  // namespace vfio_engine
