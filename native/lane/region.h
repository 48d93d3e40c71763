// A device's region as the region path sees it: parts that are mapped, the rest by transfers, every access checked.
#pragma once

#include <cerrno>
#include <cstdint>
#include <memory>
#include <vector>

#include "common/unique_fd.h"
#include "lane/mmio.h"
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
  // ERANGE (outside), EACCES (the region's flags), ENODATA (a short transfer), the transfer's own. Thread: any.
  int Read(uint64_t offset, uint32_t width, uint64_t* value) const {
    int error = CheckRead(offset, width, width);
    if (error != 0) return error;
    const uint8_t* address = Mapped(offset, width);
    if (address == nullptr) return Transfer(offset, width, value);
    *value = MmioRead(address, width);
    return 0;
  }
  int Write(uint64_t offset, uint32_t width, uint64_t value) const {
    int error = Check(offset, width, width, writable_);
    if (error != 0) return error;
    uint8_t* address = Mapped(offset, width);
    if (address == nullptr) return TransferOut(offset, &value, width);
    MmioWrite(address, width, value);
    return 0;
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
  // The address of [offset, offset + length), checked before, when all of it is mapped; else null.
  uint8_t* Mapped(uint64_t offset, uint64_t length) const {
    for (const MappedArea& area : mapped_) {
      uint64_t within = offset - area.offset;
      if (within < area.size) return length <= area.size - within ? area.data + within : nullptr;
    }
    return nullptr;
  }

  // How much of it is mapped, bytes.
  uint64_t mapped_bytes() const {
    uint64_t bytes = 0;
    for (const MappedArea& area : mapped_) bytes += area.size;
    return bytes;
  }
  // Lets the device's memory go; what still reads it sees 0xFF.
  void Revoke() const;

  uint32_t handle = 0;

 private:
  // What an access looks at of an area.
  struct MappedArea {
    uint64_t offset;
    uint64_t size;
    uint8_t* data;
  };

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
