// A device's region as the region path sees it: parts that are mapped, the rest by transfers, every access checked.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "common/unique_fd.h"
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
  int Read(uint64_t offset, uint32_t width, uint64_t* value) const;
  int Write(uint64_t offset, uint32_t width, uint64_t value) const;
  // Copies between the region and memory by accesses of `width`. Return as above.
  int CopyOut(uint64_t offset, uint32_t width, uint8_t* target, uint32_t length) const;
  int CopyIn(uint64_t offset, uint32_t width, const uint8_t* source, uint32_t length) const;

  // Lets the device's memory go; what still reads it sees 0xFF.
  void Revoke() const;

  uint32_t handle = 0;

 private:
  int Check(uint64_t offset, uint32_t width, uint64_t length, bool allowed) const;
  // The address of [offset, offset + length) when all of it is mapped, else null.
  uint8_t* Mapped(uint64_t offset, uint64_t length) const;
  int TransferIn(uint64_t offset, void* data, uint32_t length) const;
  int TransferOut(uint64_t offset, const void* data, uint32_t length) const;

  uint64_t size_;
  bool readable_;
  bool writable_;
  Target target_;
  std::vector<Area> areas_;
};

}  // namespace vfio_engine
