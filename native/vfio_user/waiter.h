// A command on its way: lives on the stack of the thread that waits for its reply.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>

#include "vfio_user/message_reader.h"

namespace vfio_engine {

class Waiter {
 public:
  explicit Waiter(uint16_t command) : command(command) {}
  virtual ~Waiter() = default;
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  // Reads the reply's payload, an error reply excluded. Returns the result for the caller: 0 or more, or a negative
  // errno. May take the descriptors. Thread: the receiving one, under the connection's lock, so that the waiting one
  // cannot leave meanwhile.
  virtual ssize_t Accept(Message& reply) = 0;

  const uint16_t command;
  uint16_t id = 0;
  // Under the connection's lock; `done` is also read by its own thread while that receives.
  std::atomic<bool> done{false};
  ssize_t result = 0;
  Waiter* next = nullptr;  // in the table of ids
  std::condition_variable turn;
};

// The commands that wait, by id. Thread: under the connection's lock.
class WaiterTable {
 public:
  void Insert(Waiter& waiter) {
    Waiter*& head = heads_[waiter.id % kHeads];
    waiter.next = head;
    head = &waiter;
    count_++;
  }
  Waiter* Find(uint16_t id) const {
    Waiter* at = heads_[id % kHeads];
    while (at != nullptr && at->id != id) at = at->next;
    return at;
  }
  void Remove(Waiter& waiter) {
    Waiter** at = &heads_[waiter.id % kHeads];
    while (*at != nullptr && *at != &waiter) at = &(*at)->next;
    if (*at == nullptr) return;
    *at = waiter.next;
    count_--;
  }
  size_t count() const { return count_; }
  // Takes any one out; null when there is none.
  Waiter* TakeAny() {
    for (Waiter*& head : heads_) {
      if (head == nullptr) continue;
      Waiter* taken = head;
      head = taken->next;
      count_--;
      return taken;
    }
    return nullptr;
  }

 private:
  static constexpr size_t kHeads = 64;
  Waiter* heads_[kHeads] = {};
  size_t count_ = 0;
};

}  // namespace vfio_engine
