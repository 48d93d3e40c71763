// Memory that can be passed to another process as a descriptor.
#pragma once

#include <cstdint>

#include "common/unique_fd.h"

namespace vfio_engine {

// Creates a memfd of `size` bytes, sealed against shrinking so that no mapping of it can fault. `huge_page_size` is 0
// or one of the kernel's huge page sizes, in bytes. The caller owns the descriptor. Throws SysError. Thread: any.
UniqueFd CreateMemfd(const char* name, uint64_t size, uint64_t huge_page_size);

}  // namespace vfio_engine
