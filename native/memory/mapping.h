// A range of memory mapped from a file or a device, shared by every thread of the process.
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
  // mmap(MAP_SHARED) of memory that may go away: see revocable.h, also for `signal`. `prot` is PROT_READ | PROT_WRITE
  // or a part of it. Does not take the descriptor. Throws SysError. Thread: any.
  static std::shared_ptr<Mapping> Map(int fd, off_t offset, size_t length, int prot, std::shared_ptr<UniqueFd> signal);
  // Zeroed anonymous shared memory. Throws SysError("mmap"). Thread: any.
  static std::shared_ptr<Mapping> Allocate(size_t length);
  // A file (a negative `fd`: anonymous memory) of `length` bytes at an aligned address, between guard pages where they
  // are wanted (see placement.h). Does not take the descriptor. Throws SysError("mmap"). Thread: any.
  static std::shared_ptr<Mapping> Place(int fd, size_t length, size_t alignment, bool guards);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  uint8_t* data() const { return data_; }
  size_t length() const { return length_; }
  bool readable() const { return readable_; }
  bool writable() const { return writable_; }

  // Lets the file go (a VFIO group stays busy while a BAR is mapped): the memory reads as 0xFF for good, and its
  // address stays valid. For what Map made. Thread: any.
  void Close();

  // Maps the file again at the same address after a fault revoked the memory. For what Map made. Throws SysError: EBADF
  // after Close, and what mmap answers; the memory then stays revoked. Thread: any.
  void Restore(int fd, off_t offset);

  // What answers for faults; null for what Allocate and Place made, where a fault goes where it would without us.
  Revocable* revocable() const { return revocable_.get(); }

  // What all SharedArrayBuffers over this memory share (see external_buffer.h), and the lock that goes with it.
  std::mutex view_mutex;
  std::weak_ptr<void> view_store;

 private:
  Mapping(const PlacedMemory& placed, size_t length, size_t mapped_length, int prot);

  uint8_t* data_;
  size_t length_;
  // What mmap really took: whole pages, of the file's own size where it is of huge pages.
  size_t mapped_length_;
  // That with the guard pages around it: what is unmapped in the end.
  uint8_t* reserved_;
  size_t reserved_length_;
  bool readable_;
  bool writable_;
  std::unique_ptr<Revocable> revocable_;
};

HandleTable<Mapping>& Mappings();

}  // namespace vfio_engine
