#include "lane/reach.h"

#include <cerrno>

namespace vfio_engine {

Reach::~Reach() {
  for (auto& part : more_) delete[] part.load(std::memory_order_relaxed);
}

Reach::Entry* Reach::MakeEntry(uint64_t index) {
  if (index < kFirstPart) return &first_[index];
  const unsigned bit = HighestBit(index);
  std::atomic<Entry*>& part = more_[bit - kFirstBits];
  if (part.load(std::memory_order_relaxed) == nullptr) {
    part.store(new Entry[uint64_t{1} << bit](), std::memory_order_release);
  }
  return &part.load(std::memory_order_relaxed)[index - (uint64_t{1} << bit)];
}

uint32_t Reach::AddRegion(uint64_t handle) {
  if (handle > kHandleMask) handle = 0;
  std::lock_guard<std::mutex> lock(mutex_);
  const uint64_t size = numbers_.size();
  // Before a part is added, and before it fails.
  const bool is_full = size >= kFirstPart && (size & (size - 1)) == 0;
  if (numbers_.NeedsNewIndex() && is_full) ForgetClosedRegions();
  if (numbers_.NeedsNewIndex() && size <= Numbers::kIndexMask) MakeEntry(size);
  const uint64_t number = numbers_.Take();
  if (number == 0) throw SysError(ENFILE, "reachAddRegion");
  const uint64_t generation = Numbers::GenerationOf(number);
  MakeEntry(Numbers::IndexOf(number))->store(generation << kRegionHandleBits | handle);
  return static_cast<uint32_t>(number);
}

void Reach::RemoveRegion(uint32_t number) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!numbers_.WasTaken(number)) throw SysError(EBADF, "reachRemoveRegion");
  if (RegionOf(number) != 0) Forget(Numbers::IndexOf(number));
}

int Reach::WhyNoRegion(uint32_t number) {
  std::lock_guard<std::mutex> lock(mutex_);
  return numbers_.WasTaken(number) ? -EBADF : -EACCES;
}

// A closed region never opens again. So nobody has to take away the regions of devices that were detached.
void Reach::ForgetClosedRegions() {
  for (uint64_t index = 0; index < numbers_.size(); index++) {
    const uint64_t given = MakeEntry(index)->load();
    if (given != 0 && !RegionTable::Get().IsOpen(given & kHandleMask)) Forget(index);
  }
}

void Reach::Forget(uint64_t index) {
  const uint64_t generation = MakeEntry(index)->exchange(0) >> kRegionHandleBits;
  numbers_.GiveBack(Numbers::NumberOf(index, generation));
}

}  // namespace vfio_engine
