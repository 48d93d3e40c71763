// What this process's memory holds, asked without ever faulting.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vfio_engine {

// Tells whether every page of a range could be pinned for reading, or for writing as well; faults the pages in, so that
// it takes time in proportion. An empty range has nothing to pin: false. Throws SysError(EOPNOTSUPP) on a kernel before
// 5.14. Thread: any.
bool ProbeOwnMemory(uint64_t vaddr, uint64_t size, bool write);

}  // namespace vfio_engine
