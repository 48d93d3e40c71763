// A software IOMMU's domain: which memory of this process a device reaches at which IOVA. A device's access that the
// mappings do not allow in whole touches no memory, and is counted.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <vector>

#include "common/handle_table.h"
#include "common/unique_fd.h"
#include "vfio_user/dirty_pages.h"

namespace vfio_engine {

class Domain {
 public:
  // VFIO_DMA_MAP_FLAG_READ, VFIO_DMA_MAP_FLAG_WRITE: as the device sees it.
  static constexpr uint32_t kRead = 1;
  static constexpr uint32_t kWrite = 2;
  static constexpr size_t kMaxRecent = 64;

  struct Fault {
    uint64_t iova;
    uint64_t size;
    bool write;
  };

  // Throws SysError("eventfd").
  Domain();

  // Returns 0, -EINVAL (empty, or past 2^64) or -EEXIST. The memory stays the caller's. Thread: any.
  int Map(uint64_t iova, uint64_t vaddr, uint64_t size, uint32_t access);
  // Takes a range away, mappings cut where they cross its ends. Waits for accesses under way, so that none touches the
  // memory after it returned. Thread: any that may wait for one copy.
  void Unmap(uint64_t iova, uint64_t size);

  // A device's access. Returns 0, or -EFAULT and records a fault. A write that faults changed nothing, unless the
  // memory was unmapped from the process between the check and the copy. Thread: any.
  int Read(uint64_t iova, void* target, size_t size);
  int Write(uint64_t iova, const void* source, size_t size);

  DirtyPages& dirty() { return dirty_; }
  // Takes the faults not yet taken, at most the newest 64; returns the count of all since the domain was made.
  uint64_t TakeFaults(std::vector<Fault>& recent);
  int fault_event() const { return fault_event_.get(); }
  // Records a fault that happened before the mappings were asked, such as a transfer over the limit.
  int RecordFault(uint64_t iova, uint64_t size, bool write);

 private:
  struct Mapping {
    uint64_t last;
    uint64_t vaddr;
    uint32_t access;
  };
  using Places = std::vector<iovec>;

  int Access(uint64_t iova, void* bytes, size_t size, bool write);
  bool Locate(uint64_t iova, uint64_t last, uint32_t access, Places& places) const;

  // A writer holds the gate while it waits, so that a stream of accesses cannot keep it out.
  std::mutex gate_;
  std::shared_mutex mutex_;
  std::map<uint64_t, Mapping> mappings_;  // by the first IOVA

  DirtyPages dirty_;

  std::mutex fault_mutex_;
  std::vector<Fault> recent_;  // oldest first
  uint64_t fault_count_ = 0;
  UniqueFd fault_event_;
};

HandleTable<Domain>& Domains();

}  // namespace vfio_engine
