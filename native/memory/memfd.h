// Memory that can be handed to another process as a descriptor.
#pragma once

#include <cstdint>

#include "common/unique_fd.h"

namespace vfio_engine {

// memfd_create(2), sealed against shrinking, so that no mapping of it can fault. `huge_page_size` is 0 or a power of
// two that the kernel has huge pages of. Throws SysError. Thread: any.
UniqueFd CreateMemfd(const char* name, uint64_t size, uint64_t huge_page_size);

}  // namespace vfio_engine
