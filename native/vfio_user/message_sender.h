// The sending side of a socket that many threads use. Messages are never mixed. A thread with a command waits for its
// turn and for the peer to read. The receiving thread must not wait, because two peers that both send would then wait
// forever. So it posts its replies: bytes that the socket does not take are kept and sent later.
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

// The socket stays the caller's.
class MessageSender {
 public:
  explicit MessageSender(int socket) : socket_(socket) {}

  static constexpr size_t kMostParts = 4;
  // Sends a message of at most kMostParts parts, with `fds` at its first byte. `fds` stay the caller's. Returns 0 or a
  // negative errno. If lost() is true after -ETIMEDOUT, a part of the message was sent and nothing can follow it.
  // Thread: any that may block.
  int Send(const iovec* parts, size_t count, const int* fds, size_t fd_count, const Deadline& deadline);
  // Sends a message now or later, without waiting. It copies what it keeps. Returns 0, -ENOBUFS if too many bytes are
  // kept, -ENOMEM, or another negative errno. After an error a part may have been sent. Thread: any.
  int Post(const uint8_t* message, size_t length);
  // Sends what Post kept, as far as the socket takes it. Does nothing while another thread sends: that one does it.
  // Returns 0 or a negative errno. Thread: any.
  int Flush();
  // Tells whether bytes are kept.
  bool pending() const { return kept_bytes_.load(std::memory_order_relaxed) != 0; }
  bool lost() const { return lost_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kMaxKept = 64u << 20;

  bool TakeTurn(const Deadline& deadline);
  void EndTurn();
  int Write(const iovec* parts, size_t count, const int* fds, size_t fd_count, const Deadline& deadline);
  // The caller holds the turn.
  int WriteKept(bool wait, const Deadline& deadline);
  int Keep(const uint8_t* message, size_t length);
  int KeepRest(const uint8_t* message, size_t length, size_t sent);

  int socket_;
  std::mutex mutex_;
  std::condition_variable turn_ended_;
  bool turn_ = false;
  std::deque<std::vector<uint8_t>> kept_;
  size_t kept_offset_ = 0;  // how much of the first kept message was sent
  std::atomic<size_t> kept_bytes_{0};
  std::atomic<bool> lost_{false};
};

}  // namespace vfio_engine
