// The domain of a software IOMMU: it maps IOVAs to memory of this process. An access that the mappings do not allow as
// a whole reaches no memory and is counted as a fault.
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
  // VFIO_DMA_MAP_FLAG_READ, VFIO_DMA_MAP_FLAG_WRITE: what the device may do.
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

  // Maps memory. Returns 0, -EINVAL (empty, or past 2^64) or -EEXIST (overlap). The memory stays the caller's and must
  // live until Unmap returns. Thread: any.
  int Map(uint64_t iova, uint64_t vaddr, uint64_t size, uint32_t access);
  // Unmaps a range and cuts the mappings that cross its ends. Waits for current accesses: none touches the memory after
  // it returned. Throws bad_alloc before it changes a mapping of which both ends stay. Thread: any that may wait for
  // one copy.
  void Unmap(uint64_t iova, uint64_t size);

  // An access of the device. Return 0, or -EFAULT after recording a fault. A write that faults changes nothing, unless
  // the memory was unmapped from the process between the check and the copy. Thread: any.
  int Read(uint64_t iova, void* target, size_t size);
  int Write(uint64_t iova, const void* source, size_t size);

  DirtyPages& dirty() { return dirty_; }
  // Moves the newest faults, at most 64, to `recent`. Returns the count of all faults of the domain. Thread: any.
  uint64_t TakeFaults(std::vector<Fault>& recent);
  // An eventfd that counts faults. The domain owns it.
  int fault_event() const { return fault_event_.get(); }
  // Records a fault and returns -EFAULT. Thread: any.
  int RecordFault(uint64_t iova, uint64_t size, bool write);

 private:
  struct Mapping {
    uint64_t last;
    uint64_t vaddr;
    uint32_t access;
  };
  using Places = std::vector<iovec>;
  using Mappings = std::map<uint64_t, Mapping>;

  int Access(uint64_t iova, void* bytes, size_t size, bool write);
  bool Locate(uint64_t iova, uint64_t last, uint32_t access, Places& places) const;
  // Gives a mapping another place. Allocates nothing.
  void Move(Mappings::iterator from, uint64_t iova, const Mapping& mapping);

  // Map and Unmap hold the gate while they wait for `mutex_`, so that a stream of accesses cannot keep them out.
  std::mutex gate_;
  std::shared_mutex mutex_;
  Mappings mappings_;  // by the first IOVA

  DirtyPages dirty_;

  std::mutex fault_mutex_;
  std::vector<Fault> recent_;  // oldest first
  uint64_t fault_count_ = 0;
  UniqueFd fault_event_;
};

// The process's table of domains. Thread: any.
HandleTable<Domain>& Domains();

}  // namespace vfio_engine
