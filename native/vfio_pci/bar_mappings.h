// The user's mappings of the BARs of one open device. While memory decoding is off, every access to them faults, as on
// hardware. Source: vfio_pci_zap_and_down_write_memory_lock (6.12), behaviour.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "common/unique_fd.h"
#include "memory/mapping.h"

namespace vfio_engine {

class BarMappings {
 public:
  // Adds a mapping of a BAR, or one that was restored. `fd` stays the caller's; `offset` is that of the mapping in the
  // file. Throws SysError. Thread: any.
  void Add(const std::shared_ptr<Mapping>& mapping, int bar, int fd, off_t offset);
  // Tells whether the device decodes memory. A mapping that cannot be changed stays as it is. Thread: any.
  void SetDecoding(bool on);

 private:
  struct Entry {
    std::weak_ptr<Mapping> mapping;
    int bar;
    off_t offset;
  };

  void Apply(const Entry& entry);

  std::mutex mutex_;
  bool decoding_ = true;
  std::vector<Entry> entries_;
  // The files of the BARs: duplicates, so that a BAR can be mapped again whatever the caller closed.
  std::map<int, UniqueFd> files_;
};

}  // namespace vfio_engine
