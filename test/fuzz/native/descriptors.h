// Finds descriptors that a run left open.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include "input.h"

namespace fuzz {

// While it lives, every descriptor that is opened must be closed. The kernel gives the lowest free number, so that a
// leak in the middle shows too.
class NoDescriptorLeft {
 public:
  NoDescriptorLeft() : lowest_(Lowest()) {}
  ~NoDescriptorLeft() { Require(Lowest() == lowest_, "every descriptor is closed"); }

 private:
  static int Lowest() {
    const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(fd);
    return fd;
  }
  int lowest_;
};

}  // namespace fuzz
