#include "memory/pins.h"

#include <algorithm>
#include <utility>

namespace vfio_engine {

PinTable& PinTable::Get() {
  // Never destroyed: threads may still run while the process exits.
  static auto* table = new PinTable();
  return *table;
}

void PinTable::Count(PinSpace& space, uint32_t devices, uint32_t mediated) {
  std::lock_guard<std::mutex> lock(mutex_);
  space.devices = devices;
  space.mediated = mediated;
}

uint64_t PinTable::Add(std::shared_ptr<PinSpace> space, PinRange range) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& [id, discarded] : discarded_) {
    if (discarded.Overlaps(range)) return 0;
  }
  pins_.emplace(++last_id_, Pin{std::move(space), range});
  return last_id_;
}

void PinTable::Remove(uint64_t id) {
  std::lock_guard<std::mutex> lock(mutex_);
  pins_.erase(id);
}

bool PinTable::IsDiscarding(const PinSpace& space) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (discarded_.empty()) return false;
  return std::any_of(pins_.begin(), pins_.end(), [&](const auto& pin) {
    if (pin.second.space.get() != &space) return false;
    return std::any_of(discarded_.begin(), discarded_.end(),
                       [&](const auto& discarded) { return discarded.second.Overlaps(pin.second.range); });
  });
}

uint64_t PinTable::BeginDiscard(PinRange range, bool vouched, PinHolders* holders) {
  std::lock_guard<std::mutex> lock(mutex_);
  // Looks at all pins. Discarding is rare; mapping is frequent and must stay cheap.
  for (const auto& [id, pin] : pins_) {
    if (!pin.range.Overlaps(range)) continue;
    holders->devices = std::max(holders->devices, pin.space->devices - pin.space->mediated);
    holders->mediated = std::max(holders->mediated, pin.space->mediated);
  }
  if (holders->devices > 0 || (holders->mediated > 0 && !vouched)) return 0;
  discarded_.emplace(++last_id_, range);
  return last_id_;
}

void PinTable::EndDiscard(uint64_t id) {
  std::lock_guard<std::mutex> lock(mutex_);
  discarded_.erase(id);
}

}  // namespace vfio_engine
