// A device's region as the region path sees it: parts that are mapped, the rest by transfers, every access checked.
#pragma once

#include <cerrno>
#include <cstdint>
#include <memory>
#include <vector>

#include "common/unique_fd.h"
#include "lane/mmio.h"
#include "lane/quiescence.h"
#include "memory/mapping.h"
#include "vfio_user/connection.h"

namespace vfio_engine {

struct Area {
  uint64_t offset;
  uint64_t size;
  std::shared_ptr<Mapping> mapping;
};

// Where the parts that are not mapped are transferred: a device's file, or a vfio-user connection.
struct Target {
  UniqueFd fd;
  uint64_t file_offset = 0;
  std::shared_ptr<Connection> connection;
  uint32_t region_index = 0;
};

class IoRegion {
 public:
  IoRegion(uint64_t size, bool readable, bool writable, Target target, std::vector<Area> areas);

  // One access of 1, 2, 4 or 8 bytes, naturally aligned. Return 0 or a negative errno: EINVAL (width, alignment),
  // ERANGE (outside), EACCES (the region's flags), ENODATA (a short transfer), ESTALE (the mapping is revoked, or was
  // meanwhile), the transfer's own. Thread: any.
  int Read(uint64_t offset, uint32_t width, uint64_t* value) const {
    int error = CheckRead(offset, width, width);
    if (error != 0) return error;
    const MappedArea* area = AreaOf(offset, width);
    if (area == nullptr) return Transfer(offset, width, value);
    const uint32_t epoch = area->memory->epoch();
    *value = MmioRead(area->data + (offset - area->offset), width);
    // A value that is not all ones came from the device.
    return IsAllOnes(*value, width) ? CheckMapped(*area, epoch) : 0;
  }
  int Write(uint64_t offset, uint32_t width, uint64_t value) const {
    int error = Check(offset, width, width, writable_);
    if (error != 0) return error;
    const MappedArea* area = AreaOf(offset, width);
    if (area == nullptr) return TransferOut(offset, &value, width);
    const uint32_t epoch = area->memory->epoch();
    if (Revocable::IsRevoked(epoch)) return -ESTALE;
    uint8_t* address = area->data + (offset - area->offset);
    MmioWrite(address, width, value);
    PairWithBarrier();
    return area->memory->epoch() == epoch ? 0 : TakeBack(*area, address, width, epoch);
  }
  // Copies between the region and memory by accesses of `width`. Return as above.
  int CopyOut(uint64_t offset, uint32_t width, uint8_t* target, uint32_t length) const;
  int CopyIn(uint64_t offset, uint32_t width, const uint8_t* source, uint32_t length) const;

  // What an access would say that is not made: for one who then makes many.
  int CheckRead(uint64_t offset, uint32_t width, uint64_t length) const {
    return Check(offset, width, length, readable_);
  }
  int CheckWrite(uint64_t offset, uint32_t width, uint64_t length) const {
    return Check(offset, width, length, writable_);
  }
  // What an access looks at of an area.
  struct MappedArea {
    uint64_t offset;
    uint64_t size;
    uint8_t* data;
    const Revocable* memory;
  };
  // The area that holds all of [offset, offset + length), checked before; null when it is not all mapped.
  const MappedArea* AreaOf(uint64_t offset, uint64_t length) const {
    for (const MappedArea& area : mapped_) {
      uint64_t within = offset - area.offset;
      if (within < area.size) return length <= area.size - within ? &area : nullptr;
    }
    return nullptr;
  }
  // Returns 0 if the area was mapped from the moment on at which `epoch` was read, else -ESTALE. Thread: any.
  static int CheckMapped(const MappedArea& area, uint32_t epoch) {
    std::atomic_thread_fence(std::memory_order_acquire);
    return Revocable::IsRevoked(epoch) || area.memory->epoch() != epoch ? -ESTALE : 0;
  }
  static bool IsAllOnes(uint64_t value, uint32_t width) { return value == ~uint64_t{0} >> (64 - 8 * width); }

  // How much of it is mapped, bytes.
  uint64_t mapped_bytes() const {
    uint64_t bytes = 0;
    for (const MappedArea& area : mapped_) bytes += area.size;
    return bytes;
  }
  // Lets the device's memory go; what still reads it sees 0xFF. Throws SysError.
  void Close() const;

  uint32_t handle = 0;

 private:
  // Returns -ESTALE, with 0xFF where a write met revoked memory.
  static int TakeBack(const MappedArea& area, uint8_t* address, uint32_t length, uint32_t epoch);
  int Check(uint64_t offset, uint32_t width, uint64_t length, bool allowed) const {
    bool is_width = width == 1 || width == 2 || width == 4 || width == 8;
    if (!is_width || ((offset | length) & (width - 1)) != 0) return -EINVAL;
    if (offset > size_ || length > size_ - offset) return -ERANGE;
    return allowed ? 0 : -EACCES;
  }
  int Transfer(uint64_t offset, uint32_t width, uint64_t* value) const;
  int TransferIn(uint64_t offset, void* data, uint32_t length) const;
  int TransferOut(uint64_t offset, const void* data, uint32_t length) const;

  uint64_t size_;
  bool readable_;
  bool writable_;
  std::vector<MappedArea> mapped_;
  Target target_;
  // What keeps the mappings.
  std::vector<Area> areas_;
};

}  // namespace vfio_engine
