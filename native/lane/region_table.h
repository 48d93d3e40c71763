// The regions that workers and accessors reach by handle, without a lock.
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

  // Returns the handle, never 0. Throws SysError(EMFILE) when 65,536 regions are open. Thread: any.
  uint32_t Add(std::unique_ptr<IoRegion> region);
  // Null for a handle that is not open. Thread: any, inside a ReadSection for as long as the region is used.
  const IoRegion* Find(uint32_t handle) const {
    const IoRegion* region = slots_[handle & kIndexMask].load(std::memory_order_acquire);
    return region != nullptr && region->handle == handle ? region : nullptr;
  }
  // Takes the region away from all who are not inside it yet. To be ended by one of the next two, and its mappings by
  // mappingEnd. Throws SysError(EBADF). Thread: any.
  const IoRegion* TakeAway(uint32_t handle);
  // Frees a region that was taken away if nobody is inside it; else does nothing and returns false. Thread: any.
  bool FreeNow(const IoRegion* region);
  // Waits until nobody is inside, lets the device's memory go and frees the region; one that somebody does not leave is
  // let go of but never freed. Throws SysError(ETIMEDOUT). Thread: one that may sleep.
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
