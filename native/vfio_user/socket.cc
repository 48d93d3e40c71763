#include "vfio_user/socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cstring>

#include "common/sys_error.h"

namespace vfio_engine {
namespace {

// How long the rest of a message may take after its first byte.
constexpr int kRestMs = 5000;

sockaddr_un AddressOf(const std::string& path, const char* call) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) throw SysError(ENAMETOOLONG, call);
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

UniqueFd UnixSocket() { return UniqueFd(Check(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket")); }

// Reads `length` bytes. Returns `length`, 0 if the stream ended before the first byte, or a negative errno.
ssize_t ReceiveAll(int socket, uint8_t* data, size_t length, ReceivedFds& fds, const Deadline& first) {
  Deadline deadline = first;
  size_t done = 0;
  while (done < length) {
    // Without a deadline the receive itself may sleep, which saves a system call.
    int flags = deadline.never() ? 0 : MSG_DONTWAIT;
    ssize_t got = ReceiveSome(socket, data + done, length - done, fds, flags);
    if (got == 0) return done == 0 ? 0 : -ECONNRESET;
    if (got == -EAGAIN) {
      if (!WaitFor(socket, POLLIN, deadline)) return done == 0 ? -EAGAIN : -ETIMEDOUT;
      continue;
    }
    if (got < 0) return got;
    if (done == 0) deadline = Deadline::In(kRestMs);
    done += static_cast<size_t>(got);
  }
  return static_cast<ssize_t>(length);
}

// Moves the descriptors of a received control message into `fds`.
void TakeFds(msghdr& message, ReceivedFds& fds) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
      fds.Add(fd);
    }
  }
}

}  // namespace

UniqueFd ListenUnix(const std::string& path, int backlog) {
  sockaddr_un address = AddressOf(path, "bind");
  UniqueFd socket = UnixSocket();
  Check(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), "bind");
  Check(::listen(socket.get(), backlog), "listen");
  return socket;
}

UniqueFd ConnectUnix(const std::string& path, int timeout_ms) {
  sockaddr_un address = AddressOf(path, "connect");
  UniqueFd socket = UnixSocket();
  // connect(2) sleeps while the listener's queue is full, for at most the send time-out.
  timeval limit{timeout_ms / 1000, (timeout_ms % 1000) * 1000};
  Check(::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)), "setsockopt(SO_SNDTIMEO)");
  Check(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), "connect");
  timeval none{0, 0};
  Check(::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &none, sizeof(none)), "setsockopt(SO_SNDTIMEO)");
  return socket;
}

UniqueFd AcceptUnix(int listener, int timeout_ms) {
  Deadline deadline = Deadline::In(timeout_ms);
  if (!WaitFor(listener, POLLIN, deadline)) return UniqueFd();
  return UniqueFd(Check(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC), "accept4"));
}

ssize_t ReceiveSome(int socket, void* data, size_t length, ReceivedFds& fds, int flags) {
  alignas(cmsghdr) uint8_t control[CMSG_SPACE(kMaxScmFds * sizeof(int))];
  iovec part{data, length};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  ssize_t got;
  int error_number;
  do {
    got = ::recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
    error_number = errno;
  } while (got < 0 && error_number == EINTR);
  if (got < 0) return error_number == EWOULDBLOCK ? -EAGAIN : -error_number;
  if (message.msg_controllen > 0) TakeFds(message, fds);
  if ((message.msg_flags & MSG_CTRUNC) != 0) {
    // The kernel dropped the descriptors that this process has no room for. The bytes are whole: the stream goes on.
    fds.Lose();
  }
  return got;
}

ssize_t ReceiveMessage(int socket, uint8_t* buffer, size_t capacity, ReceivedFds& fds, const Deadline& first) {
  wire::Header header;
  if (capacity < sizeof(header)) return -EMSGSIZE;
  ssize_t got = ReceiveAll(socket, buffer, sizeof(header), fds, first);
  if (got <= 0) return got;
  std::memcpy(&header, buffer, sizeof(header));
  if (!wire::Valid(header)) return -EPROTO;
  if (header.size > capacity) return -EMSGSIZE;
  size_t rest = header.size - sizeof(header);
  if (rest == 0) return header.size;
  got = ReceiveAll(socket, buffer + sizeof(header), rest, fds, Deadline::In(kRestMs));
  if (got == 0) return -ECONNRESET;
  if (got < 0) return got == -EAGAIN ? -ETIMEDOUT : got;
  return header.size;
}

ssize_t SendSome(int socket, const iovec* parts, size_t count, const int* fds, size_t fd_count) {
  alignas(cmsghdr) uint8_t control[CMSG_SPACE(kMaxScmFds * sizeof(int))];
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts);
  message.msg_iovlen = count;
  if (fd_count > kMaxScmFds) return -EINVAL;
  if (fd_count > 0) {
    size_t bytes = fd_count * sizeof(int);
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(bytes);
    std::memset(control, 0, CMSG_SPACE(bytes));
    cmsghdr* head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(bytes);
    std::memcpy(CMSG_DATA(head), fds, bytes);
  }
  ssize_t sent;
  int error_number;
  do {
    sent = ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    error_number = errno;
  } while (sent < 0 && error_number == EINTR);
  if (sent >= 0) return sent;
  return error_number == EWOULDBLOCK ? -EAGAIN : -error_number;
}

bool WaitFor(int socket, short events, const Deadline& deadline) {
  pollfd entry{socket, events, 0};
  for (;;) {
    int ready = ::poll(&entry, 1, deadline.RemainingMs());
    // Any error but EINTR shows again in the caller's next system call.
    if (ready != 0 && !(ready < 0 && errno == EINTR)) return true;
    if (ready == 0 && deadline.Passed()) return false;
  }
}

}  // namespace vfio_engine
