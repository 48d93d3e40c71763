#include "memory/mapping.h"

#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/error.h"
#include "memory/faults.h"
#include "memory/ones.h"

namespace vfio_engine {
namespace {

// Rounds up to what mmap takes: a file of huge pages is mapped in those. 0 stays 0, which mmap refuses.
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

// Owns the memory from its first line on: when watching cannot start, it is unmapped again.
Mapping::Mapping(const PlacedMemory& placed, size_t length, size_t mapped_length, int prot)
    : data_(placed.data),
      length_(length),
      mapped_length_(mapped_length),
      reserved_(placed.reserved),
      reserved_length_(placed.reserved_length),
      readable_((prot & PROT_READ) != 0),
      writable_((prot & PROT_WRITE) != 0) {
  try {
    fault_slot_ = WatchFaults(data_, mapped_length, prot);
  } catch (...) {
    munmap(reserved_, reserved_length_);
    throw;
  }
}

Mapping::~Mapping() {
  UnwatchFaults(fault_slot_);
  munmap(reserved_, reserved_length_);
}

std::shared_ptr<Mapping> Mapping::Map(int fd, off_t offset, size_t length, int prot) {
  size_t mapped_length = MappedLength(fd, length);
  // The kernel sees the length as the caller gave it: a region's mmap checks it.
  uint8_t* data = MapMemory(length, prot, 0, fd, offset);
  return std::shared_ptr<Mapping>(new Mapping({data, data, mapped_length}, length, mapped_length, prot));
}

std::shared_ptr<Mapping> Mapping::Allocate(size_t length) {
  size_t mapped_length = MappedLength(-1, length);
  constexpr int kProt = PROT_READ | PROT_WRITE;
  uint8_t* data = MapMemory(length, kProt, MAP_ANONYMOUS, -1, 0);
  return std::shared_ptr<Mapping>(new Mapping({data, data, mapped_length}, length, mapped_length, kProt));
}

std::shared_ptr<Mapping> Mapping::Place(int fd, size_t length, size_t alignment, bool guards) {
  size_t mapped_length = MappedLength(fd, length);
  PlacedMemory placed = PlaceMemory(fd, mapped_length, alignment, guards);
  return std::shared_ptr<Mapping>(new Mapping(placed, length, mapped_length, PROT_READ | PROT_WRITE));
}

void Mapping::Revoke() {
  std::lock_guard<std::mutex> lock(replace_mutex_);
  ReplaceWithOnes(data_, mapped_length_, prot());
}

void Mapping::Restore(int fd, off_t offset) {
  std::lock_guard<std::mutex> lock(replace_mutex_);
  // Mapped elsewhere first and then moved: a MAP_FIXED mapping that the file refuses can leave a hole.
  uint8_t* fresh = MapMemory(length_, prot(), 0, fd, offset);
  void* moved = mremap(fresh, mapped_length_, mapped_length_, MREMAP_MAYMOVE | MREMAP_FIXED, data_);
  if (moved == MAP_FAILED) {
    int error_number = errno;
    munmap(fresh, mapped_length_);
    throw SysError(error_number, "mremap");
  }
}

uint64_t Mapping::faults() const { return fault_slot_->count(); }

int Mapping::prot() const { return (readable_ ? PROT_READ : 0) | (writable_ ? PROT_WRITE : 0); }

HandleTable<Mapping>& Mappings() {
  // Never destroyed: threads may still run while the process exits.
  static auto* table = new HandleTable<Mapping>();
  return *table;
}

}  // namespace vfio_engine
