// A region of a device: mapped parts by loads and stores, the rest by transfers. Every access is checked.
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

// A mapped part of a region.
struct Area {
  uint64_t offset;
  uint64_t size;
  std::shared_ptr<Mapping> mapping;
};

// The other end of transfers: a device's file, or a vfio-user connection.
struct Target {
  UniqueFd fd;
  uint64_t file_offset = 0;
  std::shared_ptr<Connection> connection;
  uint32_t region_index = 0;
};

// Immutable, so that all threads may use it at the same time.
class IoRegion {
 public:
  IoRegion(uint64_t size, bool readable, bool writable, Target target, std::vector<Area> areas);

  // Make one access of 1, 2, 4 or 8 bytes, naturally aligned. Return 0 or a negative errno: EINVAL (width or
  // alignment), ERANGE (outside), EACCES (the region's flags), ENODATA (a short transfer), ESTALE (the mapping was
  // revoked before or during the access), or the transfer's own. Thread: any; a transfer may block.
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
  // Copy between the region and memory by accesses of `width`. The memory must stay valid during the call. Return as
  // above.
  int CopyOut(uint64_t offset, uint32_t width, uint8_t* target, uint32_t length) const;
  int CopyIn(uint64_t offset, uint32_t width, const uint8_t* source, uint32_t length) const;

  // Return what an access would return, without making it. One check can serve many accesses.
  int CheckRead(uint64_t offset, uint32_t width, uint64_t length) const {
    return Check(offset, width, length, readable_);
  }
  int CheckWrite(uint64_t offset, uint32_t width, uint64_t length) const {
    return Check(offset, width, length, writable_);
  }
  // The fields of an area that an access uses.
  struct MappedArea {
    uint64_t offset;
    uint64_t size;
    uint8_t* data;
    const Revocable* memory;
  };
  // Returns the area that holds all of [offset, offset + length), null if a part is not mapped. The caller has checked
  // the range.
  const MappedArea* AreaOf(uint64_t offset, uint64_t length) const {
    for (const MappedArea& area : mapped_) {
      uint64_t within = offset - area.offset;
      if (within < area.size) return length <= area.size - within ? &area : nullptr;
    }
    return nullptr;
  }
  // Returns 0 if the area was mapped from the time at which `epoch` was read until now, else -ESTALE. Thread: any.
  static int CheckMapped(const MappedArea& area, uint32_t epoch) {
    std::atomic_thread_fence(std::memory_order_acquire);
    return Revocable::IsRevoked(epoch) || area.memory->epoch() != epoch ? -ESTALE : 0;
  }
  // Tells whether a value could have been read from revoked memory.
  static bool IsAllOnes(uint64_t value, uint32_t width) { return value == ~uint64_t{0} >> (64 - 8 * width); }

  // How many bytes are mapped.
  uint64_t mapped_bytes() const {
    uint64_t bytes = 0;
    for (const MappedArea& area : mapped_) bytes += area.size;
    return bytes;
  }
  // Releases the device's memory for good: views of it then read 0xFF. Throws SysError. Thread: any.
  void Close() const;

  uint64_t handle = 0;
  // RegionTable's.
  mutable const IoRegion* next_abandoned = nullptr;

 private:
  // Puts 0xFF back if a write reached revoked memory. Returns -ESTALE.
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
  // Keeps the mappings alive.
  std::vector<Area> areas_;
};

}  // namespace vfio_engine
