// Copies between two places of this process through the kernel, so that unmapped memory gives an error and never a
// signal.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

namespace vfio_engine {

// Copy `length` bytes between `local`, which must be mapped, and the places in `remote`, which may be unmapped. Return
// 0 or -EFAULT; a part may have been copied then. Thread: any.
int CopyFromPlaces(void* local, const iovec* remote, size_t count, size_t length);
int CopyToPlaces(const void* local, const iovec* remote, size_t count, size_t length);

// Tells whether all of a place can be written, and brings its pages in. Changes no byte. Thread: any.
bool ProbeWritable(const iovec& place);

}  // namespace vfio_engine
