#include "vfio_user/self_copy.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "common/unique_fd.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace vfio_engine {
namespace {

constexpr size_t kMaxPlaces = 1024;   // UIO_MAXIOV
constexpr size_t kPipeBytes = 65536;  // an empty pipe takes this much without blocking

// Set once process_vm_readv(2) turns out to be missing or forbidden (seccomp).
std::atomic<bool> use_pipe{false};

// A thread's own pipe. write(2) from and read(2) to a bad address return EFAULT and respect page protections.
struct Pipe {
  UniqueFd read_end, write_end;
  bool Open() {
    if (read_end) return true;
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return false;
    read_end.Reset(ends[0]);
    write_end.Reset(ends[1]);
    return true;
  }
  // Moves `length` bytes, at most kPipeBytes. After a failure the pipe may hold bytes, so it is closed.
  bool Move(void* to, const void* from, size_t length) {
    if (!Open()) return false;
    bool moved = ::write(write_end.get(), from, length) == static_cast<ssize_t>(length) &&
                 ::read(read_end.get(), to, length) == static_cast<ssize_t>(length);
    if (!moved) {
      read_end.Reset();
      write_end.Reset();
    }
    return moved;
  }
};

bool MoveByPipe(uint8_t* to, const uint8_t* from, size_t length) {
  thread_local Pipe pipe;
  for (size_t done = 0; done < length;) {
    size_t part = std::min(length - done, kPipeBytes);
    if (!pipe.Move(to + done, from + done, part)) return false;
    done += part;
  }
  return true;
}

int CopyByPipe(uint8_t* local, const iovec* remote, size_t count, bool to_remote) {
  for (size_t i = 0; i < count; i++) {
    auto* place = static_cast<uint8_t*>(remote[i].iov_base);
    bool moved = to_remote ? MoveByPipe(place, local, remote[i].iov_len) : MoveByPipe(local, place, remote[i].iov_len);
    if (!moved) return -EFAULT;
    local += remote[i].iov_len;
  }
  return 0;
}

int Copy(uint8_t* local, const iovec* remote, size_t count, size_t length, bool to_remote) {
  if (length == 0) return 0;
  // Asked each time, because the id changes in a forked child. The call is cheap.
  pid_t self = ::getpid();
  for (size_t i = 0; i < count && !use_pipe.load(std::memory_order_relaxed);) {
    size_t places = std::min(count - i, kMaxPlaces);
    size_t bytes = 0;
    for (size_t k = 0; k < places; k++) bytes += remote[i + k].iov_len;
    iovec mine{local, bytes};
    ssize_t moved = to_remote ? ::process_vm_writev(self, &mine, 1, remote + i, places, 0)
                              : ::process_vm_readv(self, &mine, 1, remote + i, places, 0);
    int error_number = errno;
    if (moved < 0 && (error_number == ENOSYS || error_number == EPERM)) {
      use_pipe.store(true, std::memory_order_relaxed);
      return CopyByPipe(local, remote + i, count - i, to_remote);
    }
    if (moved != static_cast<ssize_t>(bytes)) return -EFAULT;
    local += bytes;
    i += places;
    if (i == count) return 0;
  }
  return CopyByPipe(local, remote, count, to_remote);
}

}  // namespace

int CopyFromPlaces(void* local, const iovec* remote, size_t count, size_t length) {
  return Copy(static_cast<uint8_t*>(local), remote, count, length, false);
}

int CopyToPlaces(const void* local, const iovec* remote, size_t count, size_t length) {
  return Copy(const_cast<uint8_t*>(static_cast<const uint8_t*>(local)), remote, count, length, true);
}

bool ProbeWritable(const iovec& place) {
  static const uintptr_t page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  uintptr_t start = reinterpret_cast<uintptr_t>(place.iov_base);
  uintptr_t first = start & ~(page - 1);
  size_t length = (start + place.iov_len - first + page - 1) & ~(page - 1);
  int result;
  int error_number;
  do {
    result = ::madvise(reinterpret_cast<void*>(first), length, MADV_POPULATE_WRITE);
    error_number = errno;
  } while (result != 0 && (error_number == EINTR || error_number == EAGAIN));
  if (result == 0) return true;
  // EINVAL: a kernel before 5.14, or memory of a device, which has no pages to bring in. The copy itself decides.
  return error_number == EINVAL;
}

}  // namespace vfio_engine
