#include "vfio_user/receive_wait.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

#include "common/sys_error.h"
#include "vfio_user/socket.h"

namespace vfio_engine {
namespace {

constexpr int kSliceMs = 50;
constexpr std::chrono::microseconds kSpin{20};
constexpr unsigned kMaxSkip = 1024;

}  // namespace

ReceiveWait::ReceiveWait(int socket) : socket_(socket), can_spin_(std::thread::hardware_concurrency() > 1) {
  timeval slice{0, kSliceMs * 1000};
  Check(::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &slice, sizeof(slice)), "setsockopt(SO_RCVTIMEO)");
}

ssize_t ReceiveWait::Fill(MessageReader& reader, MessageSender& sender, const Deadline& deadline) {
  if (sender.pending()) {
    // Kept replies must be sent too.
    WaitFor(socket_, POLLIN | POLLOUT, Deadline::In(std::min(kSliceMs, deadline.RemainingMs())));
    int flushed = sender.Flush();
    return flushed < 0 ? flushed : reader.Fill(MSG_DONTWAIT);
  }
  ssize_t got = Spin(reader);
  if (got != -EAGAIN) return got;
  if (deadline.RemainingMs() > kSliceMs) return reader.Fill(0);
  if (!WaitFor(socket_, POLLIN, deadline)) return -EAGAIN;
  return reader.Fill(MSG_DONTWAIT);
}

ssize_t ReceiveWait::Spin(MessageReader& reader) {
  if (!can_spin_) return -EAGAIN;
  if (skip_ > 0) {
    skip_--;
    return -EAGAIN;
  }
  // Bytes that have already arrived do not count as a success: a server on this CPU ran as soon as the command was
  // sent.
  ssize_t got = reader.Fill(MSG_DONTWAIT);
  if (got != -EAGAIN) return got;
  auto end = Deadline::Clock::now() + kSpin;
  do {
    got = reader.Fill(MSG_DONTWAIT);
    if (got != -EAGAIN) {
      skip_next_ = 1;
      return got;
    }
  } while (Deadline::Clock::now() < end);
  skip_ = skip_next_;
  if (skip_next_ < kMaxSkip) skip_next_ *= 2;
  return -EAGAIN;
}

}  // namespace vfio_engine
