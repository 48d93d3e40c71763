// A command that waits for its reply. It lives on the stack of the thread that waits.
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

  // Reads the payload of a reply that is no error. Returns the result for the waiting thread: 0 or more, or a negative
  // errno. It may move the descriptors out. Thread: the leader, under the connection's lock, so that the waiting thread
  // cannot return meanwhile.
  virtual ssize_t Accept(Message& reply) = 0;

  const uint16_t command;
  uint16_t id = 0;
  // The connection's lock guards these. The waiting thread also reads `done` without the lock while it leads.
  std::atomic<bool> done{false};
  ssize_t result = 0;
  Waiter* next = nullptr;           // in the table of ids
  Waiter* next_follower = nullptr;  // in the list of followers
  std::condition_variable turn;
};

// The waiting commands by id. The connection's lock guards it.
class WaiterTable {
 public:
  void Insert(Waiter& waiter) {
    Waiter*& head = heads_[waiter.id % kHeads];
    waiter.next = head;
    head = &waiter;
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
  }
  // Removes and returns any one of them, null if there is none.
  Waiter* TakeAny() {
    for (Waiter*& head : heads_) {
      if (head == nullptr) continue;
      Waiter* taken = head;
      head = taken->next;
      return taken;
    }
    return nullptr;
  }

 private:
  static constexpr size_t kHeads = 64;
  Waiter* heads_[kHeads] = {};
};

// The waiting threads that sleep, the first to come in front. The connection's lock guards it. Linked, so that a
// command that was sent waits for its reply whether or not there is memory.
class FollowerList {
 public:
  void Append(Waiter& waiter) {
    Waiter** at = &first_;
    while (*at != nullptr) at = &(*at)->next_follower;
    *at = &waiter;
    waiter.next_follower = nullptr;
  }
  void Remove(Waiter& waiter) {
    Waiter** at = &first_;
    while (*at != &waiter) at = &(*at)->next_follower;
    *at = waiter.next_follower;
  }
  // Returns the first that still waits, null if there is none.
  Waiter* FirstWaiting() const {
    Waiter* at = first_;
    // One that is done is about to return.
    while (at != nullptr && at->done) at = at->next_follower;
    return at;
  }

 private:
  Waiter* first_ = nullptr;
};

}  // namespace vfio_engine
