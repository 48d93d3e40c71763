// A mapping of a file, a device or anonymous memory. All threads of the process share it.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include "common/handle_table.h"
#include "common/unique_fd.h"
#include "memory/placement.h"
#include "memory/revocable.h"

namespace vfio_engine {

class Mapping {
 public:
  // Maps memory that can be revoked by mmap(MAP_SHARED); see revocable.h, also for `signal`. `prot` is PROT_READ,
  // PROT_WRITE or both. `fd` stays the caller's. Throws SysError. Thread: any.
  static std::shared_ptr<Mapping> Map(int fd, off_t offset, size_t length, int prot, std::shared_ptr<UniqueFd> signal);
  // Allocates zeroed anonymous shared memory. Throws SysError("mmap"). Thread: any.
  static std::shared_ptr<Mapping> Allocate(size_t length);
  // Maps `length` bytes of a file, or of anonymous memory if `fd` is negative, at an aligned address, between guard
  // pages if `guards` (see placement.h). `fd` stays the caller's. Throws SysError("mmap"). Thread: any.
  static std::shared_ptr<Mapping> Place(int fd, size_t length, size_t alignment, bool guards);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  uint8_t* data() const { return data_; }
  size_t length() const { return length_; }

  // Releases the file, because a VFIO group stays busy while a BAR is mapped. The memory then reads as 0xFF for good
  // and its address stays valid. Only for mappings made by Map. Throws SysError. Thread: any.
  void Close();

  // Maps the file again at the same address after a fault revoked the memory. Only for mappings made by Map. `fd` stays
  // the caller's. Throws SysError: EBADF after Close, else that of mmap; the memory then stays revoked. Thread: any.
  void Restore(int fd, off_t offset);

  // Let every access fault until the file is mapped again; see revocable.h. Only for mappings made by Map. Throw
  // SysError. Thread: any.
  void Suspend();
  void Resume(int fd, off_t offset);

  // The handling of faults. Null for mappings made by Allocate and Place: their faults are not handled.
  Revocable* revocable() const { return revocable_.get(); }

  // Shared by all SharedArrayBuffers over this memory (see external_buffer.h), and its lock.
  std::mutex view_mutex;
  std::weak_ptr<void> view_store;

 private:
  Mapping(const PlacedMemory& placed, size_t length, size_t mapped_length);
  // Makes the owner of mapped memory, or unmaps it if there is no memory for the owner.
  static std::shared_ptr<Mapping> Own(const PlacedMemory& placed, size_t length, size_t mapped_length);

  uint8_t* data_;
  size_t length_;
  // What mmap really took: whole pages, of the file's own size where it is of huge pages.
  size_t mapped_length_;
  // That with the guard pages around it: what is unmapped in the end.
  uint8_t* reserved_;
  size_t reserved_length_;
  std::unique_ptr<Revocable> revocable_;
};

// The process's table of mappings. Thread: any.
HandleTable<Mapping>& Mappings();

}  // namespace vfio_engine
