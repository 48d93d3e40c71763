#include "memory/placement.h"

#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>

#include "common/sys_error.h"

// Linux 5.14; glibc has it from 2.35 on.
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace vfio_engine {
namespace {

// The most nodes that a kernel can be built for (NODES_SHIFT is at most 10).
constexpr uint32_t kMaxNodes = 1024;
constexpr size_t kBitsPerWord = sizeof(unsigned long) * CHAR_BIT;

// A reserved part of the address space without memory. The destructor unmaps it unless ReleaseAllBut was called.
class Reservation {
 public:
  explicit Reservation(size_t length) : length_(length) {
    void* start = mmap(nullptr, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED) {
      int error_number = errno;
      throw SysError(error_number, "mmap");
    }
    start_ = static_cast<uint8_t*>(start);
  }
  ~Reservation() {
    if (start_ != nullptr) munmap(start_, length_);
  }
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;

  uint8_t* start() const { return start_; }

  // Unmaps all but [from, to), which the caller then owns.
  void ReleaseAllBut(uint8_t* from, uint8_t* to) {
    uint8_t* end = start_ + length_;
    if (from > start_) munmap(start_, static_cast<size_t>(from - start_));
    if (to < end) munmap(to, static_cast<size_t>(end - to));
    start_ = nullptr;
  }

 private:
  uint8_t* start_ = nullptr;
  size_t length_;
};

uint8_t* AlignUp(uint8_t* address, size_t alignment) {
  auto value = reinterpret_cast<uintptr_t>(address);
  return reinterpret_cast<uint8_t*>((value + alignment - 1) & ~(static_cast<uintptr_t>(alignment) - 1));
}

}  // namespace

PlacedMemory PlaceMemory(int fd, size_t length, size_t alignment, bool guards) {
  auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  size_t guard = guards ? page : 0;
  alignment = std::max(alignment, page);
  size_t spare = alignment + 2 * guard;
  if (length == 0) throw SysError(EINVAL, "mmap");
  if (spare < alignment || length > SIZE_MAX - spare) throw SysError(ENOMEM, "mmap");
  Reservation reservation(length + spare);
  uint8_t* data = AlignUp(reservation.start() + guard, alignment);
  int flags = MAP_SHARED | MAP_FIXED | (fd < 0 ? MAP_ANONYMOUS : 0);
  if (mmap(data, length, PROT_READ | PROT_WRITE, flags, fd, 0) == MAP_FAILED) {
    int error_number = errno;
    throw SysError(error_number, "mmap");
  }
  reservation.ReleaseAllBut(data - guard, data + length + guard);
  return {data, data - guard, length + 2 * guard};
}

void BindToNode(void* data, size_t length, uint32_t node) {
  if (node >= kMaxNodes) throw SysError(EINVAL, "mbind");
  std::array<unsigned long, kMaxNodes / kBitsPerWord> mask = {};
  mask[node / kBitsPerWord] = 1UL << (node % kBitsPerWord);
  // By number, because libnuma, which has the function, is not on every machine. The kernel reads one bit less than
  // given.
  long result = syscall(SYS_mbind, data, length, MPOL_BIND, mask.data(), kMaxNodes + 1, 0);
  Check(static_cast<int>(result), "mbind");
}

void Populate(void* data, size_t length) {
  while (madvise(data, length, MADV_POPULATE_WRITE) != 0) {
    int error_number = errno;
    if (error_number == EINTR || error_number == EAGAIN) continue;
    // The memory is known to be right, so EINVAL means that the kernel does not know the advice.
    throw SysError(error_number == EINVAL ? EOPNOTSUPP : error_number, "madvise(MADV_POPULATE_WRITE)");
  }
}

void Discard(void* data, size_t length) { Check(madvise(data, length, MADV_REMOVE), "madvise(MADV_REMOVE)"); }

}  // namespace vfio_engine
