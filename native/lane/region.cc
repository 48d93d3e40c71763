#include "lane/region.h"

#include <unistd.h>

#include <cerrno>
#include <utility>

#include "lane/mmio.h"

namespace vfio_engine {
namespace {

bool IsWidth(uint32_t width) { return width == 1 || width == 2 || width == 4 || width == 8; }

// A transfer moves all bytes or fails; a short one is an error of its own.
int WholeOrError(ssize_t moved, uint32_t length) {
  if (moved < 0) return static_cast<int>(moved);
  return moved == static_cast<ssize_t>(length) ? 0 : -ENODATA;
}

}  // namespace

IoRegion::IoRegion(uint64_t size, bool readable, bool writable, Target target, std::vector<Area> areas)
    : size_(size), readable_(readable), writable_(writable), target_(std::move(target)), areas_(std::move(areas)) {}

int IoRegion::Check(uint64_t offset, uint32_t width, uint64_t length, bool allowed) const {
  if (!IsWidth(width) || (offset & (width - 1)) != 0 || (length & (width - 1)) != 0) return -EINVAL;
  if (offset > size_ || length > size_ - offset) return -ERANGE;
  return allowed ? 0 : -EACCES;
}

uint8_t* IoRegion::Mapped(uint64_t offset, uint64_t length) const {
  for (const Area& area : areas_) {
    if (offset >= area.offset && offset - area.offset < area.size) {
      uint64_t within = offset - area.offset;
      return length <= area.size - within ? area.mapping->data() + within : nullptr;
    }
  }
  return nullptr;
}

int IoRegion::TransferIn(uint64_t offset, void* data, uint32_t length) const {
  if (target_.connection) {
    return WholeOrError(target_.connection->RegionRead(target_.region_index, offset, data, length), length);
  }
  ssize_t moved = pread(target_.fd.get(), data, length, static_cast<off_t>(target_.file_offset + offset));
  return moved < 0 ? -errno : WholeOrError(moved, length);
}

int IoRegion::TransferOut(uint64_t offset, const void* data, uint32_t length) const {
  if (target_.connection) {
    return WholeOrError(target_.connection->RegionWrite(target_.region_index, offset, data, length), length);
  }
  ssize_t moved = pwrite(target_.fd.get(), data, length, static_cast<off_t>(target_.file_offset + offset));
  return moved < 0 ? -errno : WholeOrError(moved, length);
}

int IoRegion::Read(uint64_t offset, uint32_t width, uint64_t* value) const {
  int error = Check(offset, width, width, readable_);
  if (error != 0) return error;
  if (const uint8_t* address = Mapped(offset, width)) {
    *value = MmioRead(address, width);
    return 0;
  }
  uint64_t raw = 0;
  error = TransferIn(offset, &raw, width);
  if (error == 0) *value = raw;
  return error;
}

int IoRegion::Write(uint64_t offset, uint32_t width, uint64_t value) const {
  int error = Check(offset, width, width, writable_);
  if (error != 0) return error;
  if (uint8_t* address = Mapped(offset, width)) {
    MmioWrite(address, width, value);
    return 0;
  }
  return TransferOut(offset, &value, width);
}

int IoRegion::CopyOut(uint64_t offset, uint32_t width, uint8_t* target, uint32_t length) const {
  int error = Check(offset, width, length, readable_);
  if (error != 0) return error;
  const uint8_t* source = Mapped(offset, length);
  for (uint32_t done = 0; done < length; done += width) {
    uint64_t value = 0;
    if (source != nullptr) {
      value = MmioRead(source + done, width);
    } else if ((error = Read(offset + done, width, &value)) != 0) {
      return error;
    }
    MmioWrite(target + done, width, value);
  }
  return 0;
}

int IoRegion::CopyIn(uint64_t offset, uint32_t width, const uint8_t* source, uint32_t length) const {
  int error = Check(offset, width, length, writable_);
  if (error != 0) return error;
  uint8_t* target = Mapped(offset, length);
  for (uint32_t done = 0; done < length; done += width) {
    uint64_t value = MmioRead(source + done, width);
    if (target != nullptr) {
      MmioWrite(target + done, width, value);
    } else if ((error = Write(offset + done, width, value)) != 0) {
      return error;
    }
  }
  return 0;
}

void IoRegion::Revoke() const {
  for (const Area& area : areas_) area.mapping->Revoke();
}

}  // namespace vfio_engine
