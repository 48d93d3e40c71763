// The table of open regions. Threads look regions up by handle without a lock.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "lane/region.h"

namespace vfio_engine {

class RegionTable {
 public:
  static RegionTable& Get() { return *table; }

  // Adds a region and returns its handle, never 0. Throws SysError(EMFILE) if 65,536 regions are open. Thread: any.
  uint32_t Add(std::unique_ptr<IoRegion> region);
  // Returns null for a handle that is not open. Thread: any, inside a ReadSection that lasts until the last use of the
  // region.
  const IoRegion* Find(uint32_t handle) const {
    const IoRegion* region = slots_[handle & kIndexMask].load(std::memory_order_acquire);
    return region != nullptr && region->handle == handle ? region : nullptr;
  }
  // Removes a region from the table: no thread can enter it any more. The caller must then call FreeNow or Free, and
  // mappingEnd for the mappings. Throws SysError(EBADF) if the handle is not open. Thread: any.
  const IoRegion* TakeAway(uint32_t handle);
  // Frees a removed region if no thread is inside it. Otherwise does nothing and returns false. Thread: any.
  bool FreeNow(const IoRegion* region);
  // Waits until no thread is inside a removed region, revokes its mappings and frees it. If a thread stays inside, the
  // mappings are revoked, the region is not freed, and it throws SysError(ETIMEDOUT). Thread: any that may block.
  void Free(const IoRegion* region);

 private:
  void Delete(const IoRegion* region);

  // Never destroyed: threads may still run while the process exits.
  static RegionTable* const table;

  static constexpr uint32_t kIndexBits = 16;
  static constexpr uint32_t kIndexMask = (1u << kIndexBits) - 1;
  std::mutex mutex_;
  std::array<std::atomic<const IoRegion*>, 1u << kIndexBits> slots_{};
  std::vector<uint32_t> free_;
  uint32_t used_ = 0;
  uint32_t generation_ = 0;
};

}  // namespace vfio_engine
