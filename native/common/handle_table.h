// Objects that JavaScript names by a number, on every thread of the process. A handle is an index and a generation, so
// that a stale handle finds nothing. A caller gets a shared_ptr, so that closing never frees an object in use.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "common/sys_error.h"

namespace vfio_engine {

template <class T>
class HandleTable {
 public:
  // Adds an object and returns its handle, never 0. Throws SysError(ENFILE) if the table holds 2^18 objects.
  // Thread: any.
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

  // Returns null for a handle that was never issued or is closed. Thread: any.
  std::shared_ptr<T> Get(uint32_t handle) {
    std::lock_guard<std::mutex> lock(mutex_);
    Slot* slot = Find(handle);
    return slot == nullptr ? nullptr : slot->object;
  }

  // Like Get, but throws SysError(EBADF, call) instead of returning null. Thread: any.
  std::shared_ptr<T> Require(uint32_t handle, const char* call) {
    std::shared_ptr<T> object = Get(handle);
    if (object == nullptr) throw SysError(EBADF, call);
    return object;
  }

  // Removes and returns an object; its last owner frees it. Throws SysError(EBADF, call) like Require. Thread: any.
  std::shared_ptr<T> Remove(uint32_t handle, const char* call) {
    std::lock_guard<std::mutex> lock(mutex_);
    Slot* slot = Find(handle);
    if (slot == nullptr) throw SysError(EBADF, call);
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
