#include "lane/region_table.h"

#include "common/sys_error.h"
#include "lane/quiescence.h"

namespace vfio_engine {
namespace {

// Longer than the longest transfer.
constexpr int kLeaveMs = 30000;

}  // namespace

RegionTable* const RegionTable::table = new RegionTable();

uint64_t RegionTable::Add(std::unique_ptr<IoRegion> region) {
  std::lock_guard<std::mutex> lock(mutex_);
  const uint64_t handle = numbers_.Take();
  if (handle == 0) throw SysError(EMFILE, "regionCreate");
  region->handle = handle;
  slots_[Numbers::IndexOf(handle)].store(region.release(), std::memory_order_release);
  return handle;
}

bool RegionTable::IsOpen(uint64_t handle) {
  // No region is freed before it was taken away under the lock.
  std::lock_guard<std::mutex> lock(mutex_);
  return Find(handle) != nullptr;
}

const IoRegion* RegionTable::TakeAway(uint64_t handle) {
  std::lock_guard<std::mutex> lock(mutex_);
  const IoRegion* region = Find(handle);
  if (region == nullptr) throw SysError(EBADF, "regionClose");
  slots_[Numbers::IndexOf(handle)].store(nullptr, std::memory_order_release);
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
  const uint64_t handle = region->handle;
  delete region;
  std::lock_guard<std::mutex> lock(mutex_);
  numbers_.GiveBack(handle);
}

}  // namespace vfio_engine
