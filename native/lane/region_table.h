// The table of open regions. Threads look regions up by handle without a lock.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>

#include "common/handle_numbers.h"
#include "lane/region.h"

namespace vfio_engine {

// Fewer than those of other handles: lane/reach.h keeps a number of 16 bits beside a handle.
constexpr unsigned kRegionHandleBits = 48;

class RegionTable {
 public:
  static RegionTable& Get() { return *table; }

  // Adds a region and returns its handle, an integer from 1 to 2^48 - 1 that no other region ever has. Throws
  // SysError(EMFILE) if 65,536 regions are open. Thread: any.
  uint64_t Add(std::unique_ptr<IoRegion> region);
  // Returns null for a handle that is not open. Thread: any, inside a ReadSection that lasts until the last use of the
  // region.
  const IoRegion* Find(uint64_t handle) const {
    const IoRegion* region = slots_[Numbers::IndexOf(handle)].load(std::memory_order_acquire);
    return region != nullptr && region->handle == handle ? region : nullptr;
  }
  // Tells whether a region is open. Thread: any.
  bool IsOpen(uint64_t handle);
  // Removes a region from the table: no thread can enter it any more. The caller must then call FreeNow or Free, and
  // mappingEnd for the mappings. Throws SysError(EBADF) if the handle is not open. Thread: any.
  const IoRegion* TakeAway(uint64_t handle);
  // Frees a removed region if no thread is inside it. Otherwise does nothing and returns false. Thread: any.
  bool FreeNow(const IoRegion* region);
  // Waits until no thread is inside a removed region, revokes its mappings and frees it. If a thread stays inside for
  // `leave_ms`, the mappings are revoked and it throws SysError(ETIMEDOUT): the region keeps its file until the thread
  // leaves, and is then freed. Thread: any that may block.
  void Free(const IoRegion* region, int leave_ms);

 private:
  void Delete(const IoRegion* region);
  void Abandon(const IoRegion* region);
  bool FreeAbandoned();

  // Never destroyed: threads may still run while the process exits. Not allocated: a failure while the addon is loaded
  // would end the process.
  static RegionTable* const table;

  using Numbers = HandleNumbers<kRegionHandleBits, kPlaceBits>;
  std::mutex mutex_;
  std::array<std::atomic<const IoRegion*>, Numbers::kIndexMask + 1> slots_{};
  Numbers numbers_;
  // Regions whose readers did not leave in time, linked by `IoRegion::next_abandoned`.
  const IoRegion* abandoned_ = nullptr;
  // Whether a thread looks after them.
  bool watched_ = false;
};

}  // namespace vfio_engine
