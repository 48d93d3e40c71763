// Objects that JavaScript names by a number, on every thread of the process. A handle is never used again, so that a
// stale one finds nothing for ever. A caller gets a shared_ptr, so that closing never frees an object in use.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "common/handle_numbers.h"
#include "common/sys_error.h"

namespace vfio_engine {

template <class T>
class HandleTable {
 public:
  // Adds an object and returns its handle, an integer from 1 to 2^53 - 1. Throws SysError(ENFILE) if the table holds
  // 2^18 objects. Thread: any.
  uint64_t Add(std::shared_ptr<T> object) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (numbers_.NeedsNewIndex() && slots_.size() == numbers_.size()) slots_.emplace_back();
    const uint64_t handle = numbers_.Take();
    if (handle == 0) throw SysError(ENFILE, "handle table");
    slots_[Numbers::IndexOf(handle)] = {std::move(object), handle};
    return handle;
  }

  // Returns null for a handle that was never issued or is closed. Thread: any.
  std::shared_ptr<T> Get(uint64_t handle) {
    std::lock_guard<std::mutex> lock(mutex_);
    Slot* slot = Find(handle);
    return slot == nullptr ? nullptr : slot->object;
  }

  // Like Get, but throws SysError(EBADF, call) instead of returning null. Thread: any.
  std::shared_ptr<T> Require(uint64_t handle, const char* call) {
    std::shared_ptr<T> object = Get(handle);
    if (object == nullptr) throw SysError(EBADF, call);
    return object;
  }

  // Removes and returns an object; its last owner frees it. Throws SysError(EBADF, call) like Require. Thread: any.
  std::shared_ptr<T> Remove(uint64_t handle, const char* call) {
    std::lock_guard<std::mutex> lock(mutex_);
    Slot* slot = Find(handle);
    if (slot == nullptr) throw SysError(EBADF, call);
    std::shared_ptr<T> object = std::move(slot->object);
    slot->object = nullptr;
    numbers_.GiveBack(handle);
    return object;
  }

  // Tells whether a handle was ever issued. Thread: any.
  bool WasIssued(uint64_t handle) {
    std::lock_guard<std::mutex> lock(mutex_);
    return numbers_.WasTaken(handle);
  }

 private:
  using Numbers = HandleNumbers<kHandleBits, 18>;
  struct Slot {
    std::shared_ptr<T> object;
    uint64_t handle = 0;
  };

  Slot* Find(uint64_t handle) {
    const uint64_t index = Numbers::IndexOf(handle);
    if (index >= slots_.size()) return nullptr;
    Slot& slot = slots_[index];
    return slot.object != nullptr && slot.handle == handle ? &slot : nullptr;
  }

  std::mutex mutex_;
  Numbers numbers_;
  std::vector<Slot> slots_;
};

}  // namespace vfio_engine
