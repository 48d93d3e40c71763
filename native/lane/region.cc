#include "lane/region.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "lane/block_hook.h"

namespace vfio_engine {
namespace {

// A transfer must move all bytes. A short transfer is an error.
int WholeOrError(ssize_t moved, uint32_t length) {
  if (moved < 0) return static_cast<int>(moved);
  return moved == static_cast<ssize_t>(length) ? 0 : -ENODATA;
}

template <class Word>
void Copy(const uint8_t* source, uint8_t* target, uint32_t length) {
  auto* from = reinterpret_cast<const volatile Word*>(source);
  auto* to = reinterpret_cast<volatile Word*>(target);
  // Without unrolling, the loop costs as much as the accesses.
#pragma GCC unroll 8
  for (size_t i = 0; i < length / sizeof(Word); i++) to[i] = from[i];
}

// Makes one load and one store of `width` for each word. The device may be on either side.
void CopyBy(uint32_t width, const uint8_t* source, uint8_t* target, uint32_t length) {
  switch (width) {
    case 1:
      return Copy<uint8_t>(source, target, length);
    case 2:
      return Copy<uint16_t>(source, target, length);
    case 4:
      return Copy<uint32_t>(source, target, length);
    default:
      return Copy<uint64_t>(source, target, length);
  }
}

}  // namespace

IoRegion::IoRegion(uint64_t size, bool readable, bool writable, Target target, std::vector<Area> areas)
    : size_(size), readable_(readable), writable_(writable), target_(std::move(target)), areas_(std::move(areas)) {
  for (const Area& area : areas_) {
    mapped_.push_back({area.offset, area.size, area.mapping->data(), area.mapping->revocable()});
  }
}

int IoRegion::Transfer(uint64_t offset, uint32_t width, uint64_t* value) const {
  uint64_t raw = 0;
  int error = TransferIn(offset, &raw, width);
  if (error == 0) *value = raw;
  return error;
}

int IoRegion::TransferIn(uint64_t offset, void* data, uint32_t length) const {
  TellBeforeBlocking();
  if (target_.connection) {
    return WholeOrError(target_.connection->RegionRead(target_.region_index, offset, data, length), length);
  }
  // Not pread(3): it is a cancellation point, which is not needed here and costs as much as the checks.
  ssize_t moved = syscall(SYS_pread64, target_.fd.get(), data, size_t{length}, target_.file_offset + offset);
  return moved < 0 ? -errno : WholeOrError(moved, length);
}

int IoRegion::TransferOut(uint64_t offset, const void* data, uint32_t length) const {
  TellBeforeBlocking();
  if (target_.connection) {
    return WholeOrError(target_.connection->RegionWrite(target_.region_index, offset, data, length), length);
  }
  ssize_t moved = syscall(SYS_pwrite64, target_.fd.get(), data, size_t{length}, target_.file_offset + offset);
  return moved < 0 ? -errno : WholeOrError(moved, length);
}

int IoRegion::CopyOut(uint64_t offset, uint32_t width, uint8_t* target, uint32_t length) const {
  int error = CheckRead(offset, width, length);
  if (error != 0) return error;
  if (const MappedArea* area = AreaOf(offset, length)) {
    const uint32_t epoch = area->memory->epoch();
    CopyBy(width, area->data + (offset - area->offset), target, length);
    return CheckMapped(*area, epoch);
  }
  for (uint32_t done = 0; done < length; done += width) {
    uint64_t value = 0;
    if ((error = Read(offset + done, width, &value)) != 0) return error;
    MmioWrite(target + done, width, value);
  }
  return 0;
}

int IoRegion::CopyIn(uint64_t offset, uint32_t width, const uint8_t* source, uint32_t length) const {
  int error = CheckWrite(offset, width, length);
  if (error != 0) return error;
  if (const MappedArea* area = AreaOf(offset, length)) {
    const uint32_t epoch = area->memory->epoch();
    if (Revocable::IsRevoked(epoch)) return -ESTALE;
    uint8_t* target = area->data + (offset - area->offset);
    CopyBy(width, source, target, length);
    PairWithBarrier();
    return area->memory->epoch() == epoch ? 0 : TakeBack(*area, target, length, epoch);
  }
  for (uint32_t done = 0; done < length; done += width) {
    if ((error = Write(offset + done, width, MmioRead(source + done, width))) != 0) return error;
  }
  return 0;
}

int IoRegion::TakeBack(const MappedArea& area, uint8_t* address, uint32_t length, uint32_t epoch) {
  area.memory->PutOnesBack(address, length, epoch);
  return -ESTALE;
}

void IoRegion::Close() const {
  for (const Area& area : areas_) area.mapping->Close();
}

}  // namespace vfio_engine
