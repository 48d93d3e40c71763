// The descriptors that came with bytes of a socket.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <utility>

#include "common/unique_fd.h"

namespace vfio_engine {

// The most descriptors that the kernel passes at once. Source: include/net/scm.h, SCM_MAX_FD
constexpr size_t kMaxScmFds = 253;

// Owns descriptors. It has room for those of one message and allocates nothing: a message that has arrived must not be
// lost because memory has run out.
class ReceivedFds {
 public:
  // User-provided, so that no caller fills the array: it is made for each message.
  ReceivedFds() {}
  ~ReceivedFds() { Close(); }
  ReceivedFds(const ReceivedFds&) = delete;
  ReceivedFds& operator=(const ReceivedFds&) = delete;

  size_t size() const { return count_; }
  // Tells whether descriptors came that this process had no room for. There is then none.
  bool lost() const { return lost_; }
  // Takes the descriptor over.
  void Add(int fd) {
    if (count_ < kMaxScmFds && !lost_) {
      fds_[count_++] = fd;
    } else {
      ::close(fd);
    }
  }
  void Lose() {
    Close();
    lost_ = true;
  }
  // Hands out the descriptor at `index`.
  UniqueFd Take(size_t index) { return UniqueFd(std::exchange(fds_[index], -1)); }

 private:
  void Close() {
    while (count_ > 0) Take(--count_).Reset();
  }

  size_t count_ = 0;
  bool lost_ = false;
  int fds_[kMaxScmFds];
};

}  // namespace vfio_engine
