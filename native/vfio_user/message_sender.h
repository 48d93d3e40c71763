// The sending side of a socket that many threads use. One message is never cut by another. Threads with a command wait
// their turn and for the peer to read; who receives must not wait, or two peers that send at once would stand still for
// ever, so replies are posted: what the socket does not take is kept and sent later.
#pragma once

#include <sys/uio.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

#include "vfio_user/deadline.h"

namespace vfio_engine {

class MessageSender {
 public:
  explicit MessageSender(int socket) : socket_(socket) {}

  // Sends a message, `fds` (which stay the caller's) with its first byte. Returns 0 or a negative errno; -ETIMEDOUT
  // with lost() means that a part of it went out, so that nothing can follow. Thread: any.
  int Send(const iovec* parts, size_t count, const int* fds, size_t fd_count, const Deadline& deadline);
  // Sends a message without waiting, now or later. Returns 0, -ENOBUFS when the peer lets too many pile up, or another
  // negative errno. Thread: any.
  int Post(const uint8_t* message, size_t length);
  // Sends what Post kept, as far as the socket takes it; leaves it to another thread that sends. Thread: any.
  int Flush();
  // Tells whether something waits for the socket to take more.
  bool pending() const { return kept_bytes_.load(std::memory_order_relaxed) != 0; }
  bool lost() const { return lost_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kMaxKept = 64u << 20;

  bool TakeTurn(const Deadline& deadline);
  void EndTurn();
  int Write(const iovec* parts, size_t count, const int* fds, size_t fd_count, const Deadline& deadline);
  // Both hold the turn. The first never waits.
  int WriteKept(bool wait, const Deadline& deadline);
  void Keep(const uint8_t* rest, size_t length);

  int socket_;
  std::mutex mutex_;
  std::condition_variable turn_ended_;
  bool turn_ = false;
  std::deque<std::vector<uint8_t>> kept_;
  size_t kept_offset_ = 0;  // what of the first kept message went out
  std::atomic<size_t> kept_bytes_{0};
  std::atomic<bool> lost_{false};
};

}  // namespace vfio_engine
