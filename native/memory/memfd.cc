#include "memory/memfd.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>

#include <limits>

#include "common/sys_error.h"

namespace vfio_engine {
namespace {

unsigned int HugePageFlags(uint64_t huge_page_size) {
  if (huge_page_size == 0) return 0;
  if ((huge_page_size & (huge_page_size - 1)) != 0) throw SysError(EINVAL, "memfd_create");
  auto exponent = static_cast<unsigned int>(__builtin_ctzll(huge_page_size));
  return MFD_HUGETLB | (exponent << MFD_HUGE_SHIFT);
}

}  // namespace

UniqueFd CreateMemfd(const char* name, uint64_t size, uint64_t huge_page_size) {
  unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING | HugePageFlags(huge_page_size);
  UniqueFd fd(Check(memfd_create(name, flags), "memfd_create"));
  if (size > static_cast<uint64_t>(std::numeric_limits<off_t>::max())) throw SysError(EFBIG, "ftruncate");
  Check(ftruncate(fd.get(), static_cast<off_t>(size)), "ftruncate");
  Check(fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK), "fcntl(F_ADD_SEALS)");
  return fd;
}

}  // namespace vfio_engine
