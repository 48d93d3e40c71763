#include "vfio_user/message_sender.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <new>

#include "vfio_user/socket.h"

namespace vfio_engine {

int MessageSender::Send(const iovec* parts, size_t count, const int* fds, size_t fd_count, const Deadline& deadline) {
  if (!TakeTurn(deadline)) return -ETIMEDOUT;
  int result = pending() ? WriteKept(true, deadline) : 0;
  if (result == 0) result = Write(parts, count, fds, fd_count, deadline);
  EndTurn();
  // A reply that was posted during the turn was kept, and relies on this flush.
  int flushed = pending() ? Flush() : 0;
  return result != 0 ? result : flushed;
}

int MessageSender::Post(const uint8_t* message, size_t length) {
  {
    std::unique_lock<std::mutex> lock(mutex_);
    if (kept_bytes_.load(std::memory_order_relaxed) + length > kMaxKept) return -ENOBUFS;
    if (turn_ || !kept_.empty()) {
      int kept = Keep(message, length);
      lock.unlock();
      return kept != 0 ? kept : Flush();
    }
    turn_ = true;
  }
  iovec part{const_cast<uint8_t*>(message), length};
  ssize_t sent = SendSome(socket_, &part, 1, nullptr, 0);
  if (sent == -EAGAIN) sent = 0;
  if (sent >= 0 && static_cast<size_t>(sent) < length) {
    int kept = KeepRest(message, length, static_cast<size_t>(sent));
    if (kept != 0) sent = kept;
  }
  EndTurn();
  return sent < 0 ? static_cast<int>(sent) : pending() ? Flush() : 0;
}

int MessageSender::Flush() {
  for (;;) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (turn_ || kept_.empty()) return 0;
      turn_ = true;
    }
    int result = WriteKept(false, Deadline::In(-1));
    EndTurn();
    // Loops after a success: a message that was posted just before the turn ended relies on it.
    if (result != 0) return result == -EAGAIN ? 0 : result;
  }
}

bool MessageSender::TakeTurn(const Deadline& deadline) {
  std::unique_lock<std::mutex> lock(mutex_);
  while (turn_) {
    if (deadline.never()) {
      turn_ended_.wait(lock);
    } else if (turn_ended_.wait_until(lock, deadline.at()) == std::cv_status::timeout && turn_) {
      return false;
    }
  }
  turn_ = true;
  return true;
}

void MessageSender::EndTurn() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    turn_ = false;
  }
  turn_ended_.notify_one();
}

int MessageSender::Write(const iovec* parts, size_t count, const int* fds, size_t fd_count, const Deadline& deadline) {
  iovec rest[kMostParts];
  std::copy_n(parts, count, rest);
  size_t first = 0;
  for (bool began = false;;) {
    ssize_t sent = SendSome(socket_, rest + first, count - first, fds, began ? 0 : fd_count);
    if (sent == -EAGAIN) {
      if (WaitFor(socket_, POLLOUT, deadline)) continue;
      if (began) lost_.store(true, std::memory_order_relaxed);
      return -ETIMEDOUT;
    }
    if (sent < 0) return static_cast<int>(sent);
    size_t left = static_cast<size_t>(sent);
    while (first < count && left >= rest[first].iov_len) left -= rest[first++].iov_len;
    if (first == count) return 0;
    rest[first] = {static_cast<uint8_t*>(rest[first].iov_base) + left, rest[first].iov_len - left};
    began = true;
  }
}

int MessageSender::WriteKept(bool wait, const Deadline& deadline) {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!kept_.empty()) {
    std::vector<uint8_t>& first = kept_.front();  // stays in place: only the holder of the turn removes the front
    iovec part{first.data() + kept_offset_, first.size() - kept_offset_};
    lock.unlock();
    ssize_t sent = SendSome(socket_, &part, 1, nullptr, 0);
    if (sent == -EAGAIN) {
      if (!wait) return -EAGAIN;
      if (!WaitFor(socket_, POLLOUT, deadline)) return -ETIMEDOUT;
      sent = 0;
    }
    if (sent < 0) return static_cast<int>(sent);
    lock.lock();
    kept_bytes_ -= static_cast<size_t>(sent);
    kept_offset_ += static_cast<size_t>(sent);
    if (kept_offset_ < first.size()) continue;
    kept_.pop_front();
    kept_offset_ = 0;
  }
  return 0;
}

int MessageSender::Keep(const uint8_t* message, size_t length) {
  try {
    kept_.emplace_back(message, message + length);
  } catch (const std::bad_alloc&) {
    return -ENOMEM;
  }
  kept_bytes_ += length;
  return 0;
}

// Keeps a message whose first bytes were sent, in front of those that were posted meanwhile.
int MessageSender::KeepRest(const uint8_t* message, size_t length, size_t sent) {
  std::lock_guard<std::mutex> lock(mutex_);
  try {
    kept_.emplace_front(message, message + length);
  } catch (const std::bad_alloc&) {
    return -ENOMEM;
  }
  kept_offset_ = sent;
  kept_bytes_ += length - sent;
  return 0;
}

}  // namespace vfio_engine
