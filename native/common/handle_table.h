// Objects that JavaScript names by a number on every thread of the process. A handle is an index and a generation, so
// that a stale one finds nothing; holders take a shared_ptr, so that closing never frees under a user.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "common/error.h"

namespace vfio_engine {

template <class T>
class HandleTable {
 public:
  // Never returns 0. Throws SysError(ENFILE) when 2^18 objects are there. Thread: any.
  uint32_t Add(std::shared_ptr<T> object) {
    std::lock_guard<std::mutex> lock(mutex_);
    uint32_t index;
    if (free_.empty()) {
      if (slots_.size() > kIndexMask) throw SysError(ENFILE, "handle table");
      index = static_cast<uint32_t>(slots_.size());
      slots_.emplace_back();
    } else {
      index = free_.back();
      free_.pop_back();
    }
    slots_[index].object = std::move(object);
    return (slots_[index].generation << kIndexBits) | index;
  }

  // Returns null for a handle that was never given or is closed. Thread: any.
  std::shared_ptr<T> Get(uint32_t handle) {
    std::lock_guard<std::mutex> lock(mutex_);
    Slot* slot = Find(handle);
    return slot == nullptr ? nullptr : slot->object;
  }

  // Takes the object out; the last holder frees it. Thread: any.
  std::shared_ptr<T> Remove(uint32_t handle) {
    std::lock_guard<std::mutex> lock(mutex_);
    Slot* slot = Find(handle);
    if (slot == nullptr) return nullptr;
    std::shared_ptr<T> object = std::move(slot->object);
    slot->object = nullptr;
    slot->generation = slot->generation == kLastGeneration ? 1 : slot->generation + 1;
    free_.push_back(handle & kIndexMask);
    return object;
  }

 private:
  static constexpr uint32_t kIndexBits = 18;
  static constexpr uint32_t kIndexMask = (1u << kIndexBits) - 1;
  static constexpr uint32_t kLastGeneration = (1u << (31 - kIndexBits)) - 1;
  struct Slot {
    std::shared_ptr<T> object;
    uint32_t generation = 1;
  };

  Slot* Find(uint32_t handle) {
    uint32_t index = handle & kIndexMask;
    if (index >= slots_.size()) return nullptr;
    Slot& slot = slots_[index];
    return slot.object != nullptr && slot.generation == handle >> kIndexBits ? &slot : nullptr;
  }

  std::mutex mutex_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
};

}  // namespace vfio_engine
