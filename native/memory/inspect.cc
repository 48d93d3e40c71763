#include "memory/inspect.h"

#include <sys/mman.h>
#include <unistd.h>

#include "common/sys_error.h"

// Linux 5.14; glibc has them from 2.35 on.
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace vfio_engine {
namespace {

// Tries the advice on a page that certainly exists. An EINVAL can mean a kernel without the advice or the memory
// itself.
bool KernelCanPopulate() {
  static const bool can = [] {
    auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    void* memory = mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return true;
    bool populated = madvise(memory, page, MADV_POPULATE_READ) == 0;
    munmap(memory, page);
    return populated;
  }();
  return can;
}

bool Populate(uint64_t start, uint64_t length, int advice) {
  for (;;) {
    if (madvise(reinterpret_cast<void*>(start), length, advice) == 0) return true;
    int error_number = errno;
    if (error_number == EINTR || error_number == EAGAIN) continue;
    if (error_number == EINVAL && !KernelCanPopulate()) throw SysError(EOPNOTSUPP, "madvise(MADV_POPULATE_READ)");
    return false;
  }
}

}  // namespace

bool ProbeOwnMemory(uint64_t vaddr, uint64_t size, bool write) {
  if (size == 0 || vaddr + size - 1 < vaddr) return false;
  auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  uint64_t start = vaddr & ~(page - 1);
  uint64_t last = vaddr + size - 1;
  // Pinning for writing needs the right to read too, because a device may read.
  uint64_t length = (last - start) / page * page + page;
  if (length == 0) return false;
  return Populate(start, length, MADV_POPULATE_READ) && (!write || Populate(start, length, MADV_POPULATE_WRITE));
}

}  // namespace vfio_engine
