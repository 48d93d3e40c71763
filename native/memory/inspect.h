// Asks about memory of this process without ever faulting.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vfio_engine {

// Tells whether every page of a range can be pinned for reading, and for writing if `write`. It brings the pages in, so
// the time grows with the range. Returns false for an empty range. Throws SysError(EOPNOTSUPP) before Linux 5.14.
// Thread: any.
bool ProbeOwnMemory(uint64_t vaddr, uint64_t size, bool write);

}  // namespace vfio_engine
