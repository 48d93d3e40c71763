#include "lane/region_table.h"

#include "common/sys_error.h"
#include "lane/quiescence.h"

namespace vfio_engine {
namespace {

// Longer than the longest transfer.
constexpr int kLeaveMs = 30000;

}  // namespace

RegionTable* const RegionTable::table = new RegionTable();

uint32_t RegionTable::Add(std::unique_ptr<IoRegion> region) {
  std::lock_guard<std::mutex> lock(mutex_);
  uint32_t index;
  if (!free_.empty()) {
    index = free_.back();
    free_.pop_back();
  } else if (used_ < slots_.size()) {
    index = used_++;
  } else {
    throw SysError(EMFILE, "regionCreate");
  }
  // 15 bits, never 0: handles are positive, and a stale one finds nothing until all generations have been used.
  generation_ = generation_ == 0x7FFF ? 1 : generation_ + 1;
  region->handle = (generation_ << kIndexBits) | index;
  uint32_t handle = region->handle;
  slots_[index].store(region.release(), std::memory_order_release);
  return handle;
}

const IoRegion* RegionTable::TakeAway(uint32_t handle) {
  std::lock_guard<std::mutex> lock(mutex_);
  const IoRegion* region = Find(handle);
  if (region == nullptr) throw SysError(EBADF, "regionClose");
  slots_[handle & kIndexMask].store(nullptr, std::memory_order_release);
  return region;
}

bool RegionTable::FreeNow(const IoRegion* region) {
  if (!WaitForReaders(region->handle, 0)) return false;
  Delete(region);
  return true;
}

void RegionTable::Free(const IoRegion* region) {
  bool left = WaitForReaders(region->handle, kLeaveMs);
  // Closed here and not by the destructor, because unmapping a large region takes long and this thread may block.
  region->Close();
  if (!left) throw SysError(ETIMEDOUT, "regionClose");
  Delete(region);
}

void RegionTable::Delete(const IoRegion* region) {
  uint32_t index = region->handle & kIndexMask;
  delete region;
  std::lock_guard<std::mutex> lock(mutex_);
  free_.push_back(index);
}

}  // namespace vfio_engine
