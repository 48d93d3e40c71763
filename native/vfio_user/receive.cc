// The receiving side of a ClientConnection.
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <new>

#include "vfio_user/client_connection.h"

namespace vfio_engine {
namespace {

constexpr std::chrono::microseconds kShortNap{50};
constexpr std::chrono::milliseconds kNap{1};
// If waiting threads led this often during one nap, they are busy enough to receive by themselves.
constexpr uint64_t kBusyLeads = 4;
// After this many naps during one lead, the background thread sleeps until that lead ends.
constexpr unsigned kNapsOfOneLead = 4;

int ErrnoOf(const wire::Header& header) {
  constexpr uint32_t kLastErrno = 4095;
  return header.error == 0 || header.error > kLastErrno ? EIO : static_cast<int>(header.error);
}

}  // namespace

// Receives until `own` is done or the deadline passes. With `own` null takes what has arrived, without waiting. The
// caller holds the lock.
void ClientConnection::Lead(Lock& lock, Waiter* own, const Deadline& deadline) {
  receiving_ = true;
  if (own != nullptr) leads_++;
  lock.unlock();
  int result = 0;
  try {
    result = ReceiveUntil(own, deadline);
  } catch (const std::bad_alloc&) {
    // A part of the stream had no room and is lost.
    result = -ENOMEM;
  }
  lock.lock();
  receiving_ = false;
  if (result < 0) Break(lock, true, result == -ENOMEM ? -ENOMEM : -ENODEV);
  PassLead(lock);
}

// Returns 0, or a negative errno if the stream is lost. Returns 0 only when the reader holds no whole message: a poll
// would not see it. Throws bad_alloc.
int ClientConnection::ReceiveUntil(Waiter* own, const Deadline& deadline) {
  for (;;) {
    int taken = reader_.Take(message_);
    if (taken < 0) return taken;
    if (taken > 0) {
      int result = Dispatch(message_);
      message_.fds.clear();
      if (result < 0) return result;
      continue;
    }
    if (own != nullptr && (own->done.load(std::memory_order_acquire) || deadline.Passed())) return 0;
    ssize_t got = own == nullptr ? reader_.Fill(MSG_DONTWAIT) : receive_wait_.Fill(reader_, sender_, deadline);
    if (got == -EAGAIN && own == nullptr) return 0;
    if (got == 0) return -ENODEV;
    if (got < 0 && got != -EAGAIN) return static_cast<int>(got);
  }
}

void ClientConnection::PassLead(Lock&) {
  if (Waiter* follower = followers_.FirstWaiting()) {
    follower->turn.notify_one();
    return;
  }
  if (asleep_) {
    asleep_ = false;
    idle_.notify_one();
  }
  // The background thread may be in a poll that does not watch for room to send.
  if (polling_ && sender_.pending()) eventfd_write(wake_event_.get(), 1);
}

// Returns 0, or a negative errno that ends the connection.
int ClientConnection::Dispatch(Message& message) {
  if ((message.header.flags & wire::kTypeMask) != wire::kReply) return Serve(message);
  return Complete(message) ? 0 : -EPROTO;
}

bool ClientConnection::Complete(Message& reply) {
  Lock lock(mutex_);
  Waiter* waiter = waiters_.Find(reply.header.id);
  if (waiter == nullptr) {
    if (!overdue_[reply.header.id]) return false;
    overdue_.reset(reply.header.id);
    overdue_count_--;
    return true;
  }
  if (waiter->command != reply.header.command) return false;
  waiters_.Remove(*waiter);
  bool failed = (reply.header.flags & wire::kError) != 0;
  waiter->result = failed ? -ErrnoOf(reply.header) : reply.lost_fds() ? -EMFILE : waiter->Accept(reply);
  waiter->done.store(true, std::memory_order_release);
  waiter->turn.notify_one();
  return true;
}

// Answers a command of the server. Returns 0, or a negative errno that ends the connection.
int ClientConnection::Serve(const Message& command) {
  size_t length = sizeof(wire::Header);
  reply_.resize(sizeof(wire::Header));
  int error_number = 0;
  try {
    error_number = ServeDma(command, &length);
  } catch (const std::bad_alloc&) {
    error_number = ENOMEM;
  }
  if ((command.header.flags & wire::kNoReply) != 0) return 0;
  if (error_number != 0) length = sizeof(wire::Header);
  wire::Header header{command.header.id, command.header.command, static_cast<uint32_t>(length), wire::kReply,
                      static_cast<uint32_t>(error_number)};
  if (error_number != 0) header.flags |= wire::kError;
  std::memcpy(reply_.data(), &header, sizeof(header));
  return sender_.Post(reply_.data(), length);
}

// Returns 0 with the payload of the reply in reply_, after the room for the header; or the errno for an error reply.
int ClientConnection::ServeDma(const Message& command, size_t* length) {
  bool read = command.header.command == wire::kDmaRead;
  if (!read && command.header.command != wire::kDmaWrite) return EOPNOTSUPP;
  wire::DmaAccess access;
  if (command.length < sizeof(access)) return EINVAL;
  std::memcpy(&access, command.payload, sizeof(access));
  if (access.count > wire::kMaxTransfer) return EINVAL;
  if (command.length != sizeof(access) + (read ? 0 : access.count)) return EINVAL;
  *length = sizeof(wire::Header) + sizeof(access) + (read ? access.count : 0);
  reply_.resize(*length);
  uint8_t* data = reply_.data() + sizeof(wire::Header) + sizeof(access);
  std::memcpy(data - sizeof(access), &access, sizeof(access));
  std::lock_guard<std::mutex> lock(domain_mutex_);
  if (domain_ == nullptr) return EFAULT;
  int result = read ? domain_->Read(access.iova, data, access.count)
                    : domain_->Write(access.iova, command.payload + sizeof(access), access.count);
  return -result;
}

// The background thread receives while no thread waits for a reply. It polls without being the leader, so that a caller
// can lead at once; the price is that both threads wake up for the caller's reply. While callers are busy it naps
// instead: the next caller receives what has arrived.
void ClientConnection::Background() {
  Lock lock(mutex_);
  while (!closing_) {
    if (!alive()) {
      idle_.wait(lock);
    } else if (receiving_) {
      Nap(lock);
    } else {
      uint64_t before = leads_;
      WaitReadable(lock);
      if (leads_ != before) Nap(lock);
      if (closing_ || receiving_ || !alive()) continue;
      Lead(lock, nullptr, Deadline::In(0));
    }
  }
}

// Returns when bytes can be read, kept bytes can be sent, or the thread was woken. The caller holds the lock.
void ClientConnection::WaitReadable(Lock& lock) {
  polling_ = true;
  short events = sender_.pending() ? POLLIN | POLLOUT : POLLIN;
  lock.unlock();
  pollfd entries[] = {{socket_.get(), events, 0}, {wake_event_.get(), POLLIN, 0}};
  ::poll(entries, 2, -1);
  eventfd_t count;
  if (entries[1].revents != 0) eventfd_read(wake_event_.get(), &count);
  bool good = !sender_.pending() || sender_.Flush() >= 0;
  lock.lock();
  polling_ = false;
  if (!good) Break(lock, true);
}

void ClientConnection::Nap(Lock& lock) {
  unsigned naps = 0;
  uint64_t before = leads_;
  bool busy = false;
  do {
    uint64_t start = leads_;
    idle_.wait_for(lock, busy ? Clock::duration(kNap) : Clock::duration(kShortNap));
    busy = leads_ - start >= kBusyLeads || receiving_;
    naps = leads_ == before && receiving_ ? naps + 1 : 0;
    before = leads_;
    if (naps < kNapsOfOneLead) continue;
    // Sleeps until PassLead wakes it, which costs the leader nothing before.
    asleep_ = true;
    while (asleep_ && !closing_ && alive()) idle_.wait(lock);
    return;
  } while (busy && !closing_ && alive());
}

}  // namespace vfio_engine
