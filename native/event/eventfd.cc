#include "event/eventfd.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>

#include "common/sys_error.h"

namespace vfio_engine {
namespace {

using Clock = std::chrono::steady_clock;

// Waits until the descriptor can be read. Returns false if the time passed.
bool WaitReadable(int fd, Clock::time_point deadline) {
  for (;;) {
    auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(deadline - Clock::now()).count();
    if (left < 0) left = 0;
    timespec timeout = {static_cast<time_t>(left / 1000000000), static_cast<long>(left % 1000000000)};
    pollfd entry = {fd, POLLIN, 0};
    int ready = ppoll(&entry, 1, &timeout, nullptr);
    int error_number = errno;
    if (ready == 0) return false;
    if (ready < 0 && error_number == EINTR) continue;
    if (ready < 0) throw SysError(error_number, "ppoll");
    if ((entry.revents & POLLNVAL) != 0) throw SysError(EBADF, "ppoll");
    return true;
  }
}

// The inode that eventfds share with most other anonymous files.
struct stat AnonymousInode() {
  UniqueFd own(Check(eventfd(0, EFD_CLOEXEC), "eventfd"));
  struct stat inode;
  Check(fstat(own.get(), &inode), "fstat");
  return inode;
}

// Tells whether a file can be polled. A device's file, in which a write reaches a register, cannot.
bool CanBePolled(int fd) {
  UniqueFd poll(Check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1"));
  epoll_event event{};
  return epoll_ctl(poll.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

// Tells an eventfd without the help of /proc: of the anonymous files that can be polled, it alone takes a write of 8
// bytes. Adding 0 changes nothing.
bool TakesCounts(int fd) {
  struct stat inode;
  if (fstat(fd, &inode) != 0) return false;
  static const struct stat anonymous = AnonymousInode();
  if (inode.st_dev != anonymous.st_dev || inode.st_ino != anonymous.st_ino || !CanBePolled(fd)) return false;
  const uint64_t none = 0;
  return write(fd, &none, sizeof(none)) == sizeof(none);
}

}  // namespace

void CloseFd(int fd) {
  // With EINTR Linux has closed the descriptor too.
  if (close(fd) == 0) return;
  int error_number = errno;
  if (error_number != EINTR) throw SysError(error_number, "close");
}

bool IsEventfd(int fd) {
  char path[32];
  char target[64] = {};
  std::snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
  if (readlink(path, target, sizeof(target) - 1) >= 0) return std::strcmp(target, "anon_inode:[eventfd]") == 0;
  // Not open, or there is no /proc.
  return TakesCounts(fd);
}

void RequireEventfd(int fd, const char* call) {
  if (fcntl(fd, F_GETFD) < 0) throw SysError(EBADF, call);
  if (!IsEventfd(fd)) throw SysError(EINVAL, call);
}

void EventfdAdd(int fd, uint64_t value) {
  // Without this check a write to another file would succeed: eight bytes into a device's first register.
  RequireEventfd(fd, "write");
  ssize_t written = write(fd, &value, sizeof(value));
  int error_number = errno;
  if (written != sizeof(value)) throw SysError(error_number, "write");
}

uint64_t EventfdTake(int fd) {
  uint64_t count = 0;
  ssize_t length = read(fd, &count, sizeof(count));
  int error_number = errno;
  if (length == sizeof(count)) return count;
  if (length >= 0) throw SysError(EINVAL, "read");
  if (error_number == EAGAIN || error_number == EINTR) return 0;
  throw SysError(error_number, "read");
}

uint64_t EventfdWait(int fd, double timeout_ms, double spin_us) {
  auto start = Clock::now();
  auto deadline = start + std::chrono::nanoseconds(static_cast<int64_t>(timeout_ms * 1e6));
  auto spin_end = std::min(deadline, start + std::chrono::nanoseconds(static_cast<int64_t>(spin_us * 1e3)));
  while (Clock::now() < spin_end) {
    uint64_t count = EventfdTake(fd);
    if (count != 0) return count;
  }
  while (WaitReadable(fd, deadline)) {
    // Another reader can take the count first. Then the wait goes on.
    uint64_t count = EventfdTake(fd);
    if (count != 0) return count;
  }
  return 0;
}

}  // namespace vfio_engine
