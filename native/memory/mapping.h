// A range of memory mapped from a file or a device, shared by every thread of the process.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "common/handle_table.h"

namespace vfio_engine {

class Mapping {
 public:
  // mmap(MAP_SHARED). `prot` is PROT_READ | PROT_WRITE or a part of it. Does not take the descriptor.
  // Throws SysError("mmap"). Thread: any.
  static std::shared_ptr<Mapping> Map(int fd, off_t offset, size_t length, int prot);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  uint8_t* data() const { return data_; }
  size_t length() const { return length_; }
  bool readable() const { return readable_; }
  bool writable() const { return writable_; }

  // Puts private memory of 0xFF in the mapping's place: the file is let go (a VFIO group stays busy while a BAR is
  // mapped), and whoever still reads sees what a PCIe read of an absent device gives. The address stays valid.
  void Revoke();

 private:
  Mapping(uint8_t* data, size_t length, int prot);
  uint8_t* data_;
  size_t length_;
  bool readable_;
  bool writable_;
};

HandleTable<Mapping>& Mappings();

}  // namespace vfio_engine
