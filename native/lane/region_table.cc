#include "lane/region_table.h"

#include <chrono>
#include <new>
#include <thread>
#include <utility>

#include "common/call_threads.h"
#include "common/sys_error.h"
#include "lane/quiescence.h"

namespace vfio_engine {
namespace {

// How often a thread looks whether the readers of abandoned regions have left.
constexpr std::chrono::milliseconds kLook(100);

alignas(RegionTable) unsigned char table_memory[sizeof(RegionTable)];

}  // namespace

RegionTable* const RegionTable::table = new (table_memory) RegionTable();

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

void RegionTable::Free(const IoRegion* region, int leave_ms) {
  const bool left = WaitForReaders(region->handle, leave_ms);
  try {
    // Closed here and not by the destructor, because unmapping a large region takes long and this thread may block.
    region->Close();
  } catch (const SysError&) {
    left ? Delete(region) : Abandon(region);
    throw;
  }
  left ? Delete(region) : Abandon(region);
  if (!left) throw SysError(ETIMEDOUT, "regionClose");
}

void RegionTable::Abandon(const IoRegion* region) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    region->next_abandoned = abandoned_;
    abandoned_ = region;
    if (std::exchange(watched_, true)) return;
  }
  auto watch = [this] {
    while (FreeAbandoned()) std::this_thread::sleep_for(kLook);
  };
  try {
    CallThreads::Get().Run(watch);
  } catch (const std::exception&) {
    // There is no thread for it. The next region that is abandoned tries again.
    std::lock_guard<std::mutex> lock(mutex_);
    watched_ = false;
  }
}

// Frees the abandoned regions that no thread is inside any more. Returns whether others are left.
bool RegionTable::FreeAbandoned() {
  const IoRegion* rest = nullptr;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    rest = std::exchange(abandoned_, nullptr);
  }
  while (rest != nullptr) {
    const IoRegion* region = std::exchange(rest, rest->next_abandoned);
    if (FreeNow(region)) continue;
    std::lock_guard<std::mutex> lock(mutex_);
    region->next_abandoned = abandoned_;
    abandoned_ = region;
  }
  std::lock_guard<std::mutex> lock(mutex_);
  watched_ = abandoned_ != nullptr;
  return watched_;
}

void RegionTable::Delete(const IoRegion* region) {
  const uint64_t handle = region->handle;
  delete region;
  std::lock_guard<std::mutex> lock(mutex_);
  numbers_.GiveBack(handle);
}

}  // namespace vfio_engine
