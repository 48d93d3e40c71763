// A range of memory mapped from a file or a device, shared by every thread of the process.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include "common/handle_table.h"
#include "memory/placement.h"

namespace vfio_engine {

class FaultSlot;

class Mapping {
 public:
  // mmap(MAP_SHARED). `prot` is PROT_READ | PROT_WRITE or a part of it. Does not take the descriptor.
  // Throws SysError("mmap"). Thread: any.
  static std::shared_ptr<Mapping> Map(int fd, off_t offset, size_t length, int prot);
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

  // Puts private memory of 0xFF in the mapping's place: the file is let go (a VFIO group stays busy while a BAR is
  // mapped), and whoever still reads sees what a PCIe read of an absent device gives. The address stays valid.
  // Thread: any.
  void Revoke();

  // Maps the file again at the same address: pages mended after a fault (SIGBUS) or a Revoke reach the device anew.
  // Throws SysError("mmap") and leaves the old memory. Thread: any.
  void Restore(int fd, off_t offset);

  // How many faults (SIGBUS) were mended by a page of 0xFF. Thread: any.
  uint64_t faults() const;

  // What all SharedArrayBuffers over this memory share (see external_buffer.h), and the lock that goes with it.
  std::mutex view_mutex;
  std::weak_ptr<void> view_store;

 private:
  Mapping(const PlacedMemory& placed, size_t length, size_t mapped_length, int prot);
  int prot() const;

  uint8_t* data_;
  size_t length_;
  // What mmap really took: whole pages, of the file's own size where it is of huge pages.
  size_t mapped_length_;
  // That with the guard pages around it: what is unmapped in the end.
  uint8_t* reserved_;
  size_t reserved_length_;
  bool readable_;
  bool writable_;
  // Two threads may revoke and restore at once.
  std::mutex replace_mutex_;
  FaultSlot* fault_slot_;
};

HandleTable<Mapping>& Mappings();

}  // namespace vfio_engine
