#include "memory/mapping.h"

#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <new>

#include "common/sys_error.h"

namespace vfio_engine {
namespace {

// Rounds up to the pages that mmap uses, which are huge pages for a file of huge pages. 0 stays 0, which mmap rejects.
size_t MappedLength(int fd, size_t length) {
  auto unit = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  struct statfs file_system = {};
  if (fd >= 0 && fstatfs(fd, &file_system) == 0 && file_system.f_type == HUGETLBFS_MAGIC) {
    unit = static_cast<size_t>(file_system.f_bsize);
  }
  if (length > SIZE_MAX - unit) throw SysError(ENOMEM, "mmap");
  return (length + unit - 1) / unit * unit;
}

uint8_t* MapMemory(size_t length, int prot, int flags, int fd, off_t offset) {
  void* data = mmap(nullptr, length, prot, MAP_SHARED | flags, fd, offset);
  if (data == MAP_FAILED) {
    int error_number = errno;
    throw SysError(error_number, "mmap");
  }
  return static_cast<uint8_t*>(data);
}

}  // namespace

Mapping::Mapping(const PlacedMemory& placed, size_t length, size_t mapped_length)
    : data_(placed.data),
      length_(length),
      mapped_length_(mapped_length),
      reserved_(placed.reserved),
      reserved_length_(placed.reserved_length) {}

Mapping::~Mapping() {
  revocable_.reset();
  munmap(reserved_, reserved_length_);
}

std::shared_ptr<Mapping> Mapping::Own(const PlacedMemory& placed, size_t length, size_t mapped_length) {
  std::unique_ptr<Mapping> mapping;
  try {
    mapping.reset(new Mapping(placed, length, mapped_length));
  } catch (const std::bad_alloc&) {
    munmap(placed.reserved, placed.reserved_length);
    throw;
  }
  return mapping;
}

std::shared_ptr<Mapping> Mapping::Map(int fd, off_t offset, size_t length, int prot, std::shared_ptr<UniqueFd> signal) {
  size_t mapped_length = MappedLength(fd, length);
  // The kernel gets the caller's length, because a region's mmap checks it.
  uint8_t* data = MapMemory(length, prot, 0, fd, offset);
  std::shared_ptr<Mapping> mapping = Own({data, data, mapped_length}, length, mapped_length);
  mapping->revocable_ = std::make_unique<Revocable>(data, mapped_length, prot, std::move(signal));
  return mapping;
}

std::shared_ptr<Mapping> Mapping::Allocate(size_t length) {
  size_t mapped_length = MappedLength(-1, length);
  constexpr int kProt = PROT_READ | PROT_WRITE;
  uint8_t* data = MapMemory(length, kProt, MAP_ANONYMOUS, -1, 0);
  return Own({data, data, mapped_length}, length, mapped_length);
}

std::shared_ptr<Mapping> Mapping::Place(int fd, size_t length, size_t alignment, bool guards) {
  size_t mapped_length = MappedLength(fd, length);
  PlacedMemory placed = PlaceMemory(fd, mapped_length, alignment, guards);
  return Own(placed, length, mapped_length);
}

void Mapping::Close() {
  if (revocable_ == nullptr) throw SysError(EINVAL, "mmap");
  if (!revocable_->Close()) throw SysError(ENOMEM, "mmap");
}

void Mapping::Restore(int fd, off_t offset) {
  if (revocable_ == nullptr) throw SysError(EINVAL, "mmap");
  revocable_->Restore(fd, offset, length_);
}

void Mapping::Suspend() {
  if (revocable_ == nullptr) throw SysError(EINVAL, "mmap");
  revocable_->Suspend();
}

void Mapping::Resume(int fd, off_t offset) {
  if (revocable_ == nullptr) throw SysError(EINVAL, "mmap");
  revocable_->Resume(fd, offset, length_);
}

HandleTable<Mapping>& Mappings() {
  // Never destroyed: threads may still run while the process exits.
  static auto* table = new HandleTable<Mapping>();
  return *table;
}

}  // namespace vfio_engine
