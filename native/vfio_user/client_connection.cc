#include "vfio_user/client_connection.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>

#include "common/sys_error.h"

namespace vfio_engine {
namespace {

constexpr size_t kMaxOverdue = 1024;

// Blocks all signals of the calling thread while it lives.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

UniqueFd Eventfd() { return UniqueFd(Check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")); }

// The part of a region transfer that fits into one message. With a `target` it is a read.
class RegionWaiter final : public Waiter {
 public:
  RegionWaiter(uint16_t command, const wire::RegionAccess& access, uint8_t* target)
      : Waiter(command), access_(access), target_(target) {}

  ssize_t Accept(Message& reply) override {
    wire::RegionAccess got;
    if (reply.length < sizeof(got)) return -EPROTO;
    std::memcpy(&got, reply.payload, sizeof(got));
    bool same = got.offset == access_.offset && got.region == access_.region && got.count <= access_.count;
    size_t data = target_ == nullptr ? 0 : got.count;
    if (!same || reply.length != sizeof(got) + data) return -EPROTO;
    if (data > 0) std::memcpy(target_, reply.payload + sizeof(got), data);
    return got.count;
  }

 private:
  const wire::RegionAccess& access_;
  uint8_t* target_;
};

class RequestWaiter final : public Waiter {
 public:
  RequestWaiter(uint16_t command, Reply& reply) : Waiter(command), reply_(reply) {}
  ssize_t Accept(Message& reply) override {
    try {
      reply_.payload.assign(reply.payload, reply.payload + reply.length);
    } catch (const std::bad_alloc&) {
      return -ENOMEM;
    }
    reply_.fds = std::move(reply.fds);
    return 0;
  }

 private:
  Reply& reply_;
};

// Calls `move(at, count)` for pieces of at most `most` bytes. Returns the sum, or the error of the first piece.
template <class Move>
ssize_t InPieces(uint32_t count, uint32_t most, Move move) {
  uint32_t done = 0;
  do {
    uint32_t piece = std::min(count - done, most);
    ssize_t moved = move(done, piece);
    if (moved < 0) return done == 0 ? moved : static_cast<ssize_t>(done);
    done += static_cast<uint32_t>(moved);
    if (moved < static_cast<ssize_t>(piece)) break;
  } while (done < count);
  return done;
}

}  // namespace

ClientConnection::ClientConnection(UniqueFd socket, int timeout_ms)
    : socket_(std::move(socket)),
      timeout_ms_(timeout_ms),
      hangup_event_(Eventfd()),
      wake_event_(Eventfd()),
      sender_(socket_.get()),
      reader_(socket_.get()),
      receive_wait_(socket_.get()),
      reply_(sizeof(wire::Header)) {
  // A blocking socket, because receiving sleeps in recvmsg(2). Calls that must not sleep use MSG_DONTWAIT.
  int flags = Check(::fcntl(socket_.get(), F_GETFL), "fcntl(F_GETFL)");
  Check(::fcntl(socket_.get(), F_SETFL, flags & ~O_NONBLOCK), "fcntl(F_SETFL)");
  // The background thread blocks all signals: they are for Node.js's own threads.
  SignalsBlocked until_started;
  thread_ = std::thread([this] { Background(); });
}

ClientConnection::~ClientConnection() { Close(); }

ssize_t ClientConnection::RegionRead(uint32_t region_index, uint64_t offset, void* data, uint32_t count) {
  return InPieces(count, max_transfer_.load(std::memory_order_relaxed), [&](uint32_t at, uint32_t piece) {
    wire::RegionAccess access{offset + at, region_index, piece};
    RegionWaiter waiter(wire::kRegionRead, access, static_cast<uint8_t*>(data) + at);
    iovec part{&access, sizeof(access)};
    return Transact(waiter, &part, 1, nullptr, 0);
  });
}

ssize_t ClientConnection::RegionWrite(uint32_t region_index, uint64_t offset, const void* data, uint32_t count) {
  return InPieces(count, max_transfer_.load(std::memory_order_relaxed), [&](uint32_t at, uint32_t piece) {
    wire::RegionAccess access{offset + at, region_index, piece};
    RegionWaiter waiter(wire::kRegionWrite, access, nullptr);
    auto* source = static_cast<uint8_t*>(const_cast<void*>(data)) + at;
    iovec parts[] = {{&access, sizeof(access)}, {source, piece}};
    return Transact(waiter, parts, 2, nullptr, 0);
  });
}

int ClientConnection::Request(uint16_t command, const std::vector<uint8_t>& payload, const std::vector<int>& fds,
                              Reply& reply) {
  if (payload.size() > wire::kMaxMessage - sizeof(wire::Header)) return -EMSGSIZE;
  RequestWaiter waiter(command, reply);
  iovec part{const_cast<uint8_t*>(payload.data()), payload.size()};
  return static_cast<int>(Transact(waiter, &part, 1, fds.data(), fds.size()));
}

ssize_t ClientConnection::Transact(Waiter& waiter, const iovec* payload, size_t parts, const int* fds,
                                   size_t fd_count) {
  Deadline deadline = Deadline::In(timeout_ms_);
  {
    Lock lock(mutex_);
    if (!Register(lock, waiter)) return end_reason_;
  }
  wire::Header header{waiter.id, waiter.command, sizeof(header), wire::kCommand, 0};
  iovec message[4] = {{&header, sizeof(header)}};
  for (size_t i = 0; i < parts; i++) {
    header.size += static_cast<uint32_t>(payload[i].iov_len);
    message[i + 1] = payload[i];
  }
  int sent = sender_.Send(message, parts + 1, fds, fd_count, deadline);
  if (sent == 0) return Await(waiter, deadline);
  Lock lock(mutex_);
  if (sent != -ETIMEDOUT || sender_.lost()) {
    // A bad descriptor is the caller's mistake. Nothing was sent.
    if (sent == -EBADF || sent == -EINVAL || sent == -ETOOMANYREFS) {
      waiters_.Remove(waiter);
      return sent;
    }
    Break(lock, true);
    return waiter.result;
  }
  waiters_.Remove(waiter);
  return -ETIMEDOUT;
}

bool ClientConnection::Register(Lock&, Waiter& waiter) {
  if (!alive()) return false;
  do {
    waiter.id = next_id_++;
  } while (waiters_.Find(waiter.id) != nullptr || overdue_[waiter.id]);
  waiters_.Insert(waiter);
  return true;
}

ssize_t ClientConnection::Await(Waiter& waiter, const Deadline& deadline) {
  Lock lock(mutex_);
  while (!waiter.done) {
    if (!receiving_) {
      Lead(lock, &waiter, deadline);
    } else {
      followers_.Append(waiter);
      waiter.turn.wait_until(lock, deadline.at());
      followers_.Remove(waiter);
    }
    if (waiter.done || !deadline.Passed()) continue;
    // The reply can still arrive. Until then its id stays in use.
    waiters_.Remove(waiter);
    overdue_.set(waiter.id);
    overdue_count_++;
    if (!receiving_) PassLead(lock);
    if (overdue_count_ > kMaxOverdue) Break(lock, true);
    return -ETIMEDOUT;
  }
  return waiter.result;
}

// `reason` is the negative errno of the commands that wait and of all later ones.
void ClientConnection::Break(Lock&, bool hangup, int reason) {
  if (broken_.exchange(true, std::memory_order_acq_rel)) return;
  end_reason_ = reason;
  // Wakes threads that sleep in a receive or a send.
  ::shutdown(socket_.get(), SHUT_RDWR);
  while (Waiter* waiter = waiters_.TakeAny()) {
    waiter->result = reason;
    waiter->done = true;
    waiter->turn.notify_one();
  }
  overdue_.reset();
  overdue_count_ = 0;
  if (hangup) eventfd_write(hangup_event_.get(), 1);
  idle_.notify_one();
}

void ClientConnection::SetDomain(std::shared_ptr<Domain> domain) {
  std::lock_guard<std::mutex> lock(domain_mutex_);
  domain_.swap(domain);
}

void ClientConnection::SetMaxTransfer(uint32_t bytes) {
  max_transfer_.store(std::clamp(bytes, 1u, wire::kMaxTransfer), std::memory_order_relaxed);
}

void ClientConnection::Close() {
  {
    Lock lock(mutex_);
    closing_ = true;
    Break(lock, false);
    idle_.notify_one();
  }
  eventfd_write(wake_event_.get(), 1);
  std::lock_guard<std::mutex> once(close_mutex_);
  if (thread_.joinable()) thread_.join();
}

std::shared_ptr<Connection> OpenConnection(UniqueFd socket, int timeout_ms) {
  return std::make_shared<ClientConnection>(std::move(socket), timeout_ms);
}

// Never destroyed: threads may still run while the process exits.
HandleTable<Connection>& Connections() {
  static auto* table = new HandleTable<Connection>();
  return *table;
}

}  // namespace vfio_engine
